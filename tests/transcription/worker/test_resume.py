"""The mode of an attempt, where nobody asked for one."""

from __future__ import annotations

import pytest

from transcription.engine.client import EngineClient
from transcription.models import Mode, Recording, Transcription
from transcription.worker.resume import ResumePlan


@pytest.mark.parametrize(("seconds", "mode"), [(5.0, "fast"), (30.0, "fast"), (30.5, "exact"), (600.0, "exact")])
def test_a_clip_is_heard_in_fast_mode_also_by_a_busy_engine(seconds: float, mode: str) -> None:
    row = Transcription(mode=Mode.AUTO, recording=Recording(duration_seconds=seconds))
    assert ResumePlan.of(row, EngineClient("/nowhere")).mode == mode

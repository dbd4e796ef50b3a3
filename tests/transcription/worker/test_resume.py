"""In which mode a recording is transcribed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Character
from tests.transcription.characters import submit
from transcription.models import Mode
from transcription.worker.resume import ResumePlan


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("within")
@pytest.mark.parametrize(("asked", "mode"), [(Mode.AUTO, "fast"), (Mode.EXACT, "exact"), (Mode.FAST, "fast")])
def test_automatic_mode_cuts_at_silences(alice: Character, fox: Path, asked: Mode, mode: str) -> None:
    row = submit(alice.actor, fox)
    row.mode = asked
    assert ResumePlan.of(row).mode == mode

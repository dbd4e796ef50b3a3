"""In which mode a recording is transcribed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Character
from tests.transcription.characters import submit
from transcription.engine.exact import Resume
from transcription.engine.types import WindowResult
from transcription.models import Mode, Transcription
from transcription.worker.resume import ResumePlan


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("within")
@pytest.mark.parametrize(("asked", "mode"), [(Mode.AUTO, "fast"), (Mode.EXACT, "exact"), (Mode.FAST, "fast")])
def test_automatic_mode_cuts_at_silences(alice: Character, fox: Path, asked: Mode, mode: str) -> None:
    row = submit(alice.actor, fox)
    row.mode = asked
    assert ResumePlan.of(row).mode == mode


def test_another_attempt_knows_which_words_of_an_overlap_are_saved() -> None:
    """The next window begins at 29.0 s; its text counts from 29.6 s on."""
    result = WindowResult(0, 0.0, 29.0, "en", 1.0, (), last_speech=29.6)
    state = json.loads(json.dumps(ResumePlan("fast", Resume()).state_after(result)))
    again = ResumePlan.of(Transcription(mode=Mode.FAST, saved_seconds=result.end, resume=state))
    assert (again.mode, again.resume.end, again.resume.last_speech) == ("fast", 29.0, 29.6)

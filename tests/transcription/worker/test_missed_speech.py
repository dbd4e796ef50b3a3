"""What the voice detector says against a text is saved with each window, whatever interrupts it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Character, MakeMedia
from tests.transcription.characters import submit
from transcription.engine.types import DecodeOptions, Segment, Window, WindowResult
from transcription.models import Mode, Status, Transcription
from transcription.queue import claims
from transcription.worker import job

# Committed, so that the watchdog, which looks from another connection, sees the claim.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("within")]


class HardOfHearing:
    """Hears two seconds of each window, nothing more when it is asked again, and stops after some windows."""

    def __init__(self, windows: int = 99) -> None:
        self.left = windows

    def decode(self, windows: Iterable[Window], options: DecodeOptions, **_more: object) -> Iterator[WindowResult]:
        is_asked_again = isinstance(windows, list)
        for window in windows:
            segment = Segment(window.start, window.start + 2.0, " Fox.", (1,), 0.0, -0.1, 1.0, 0.0, 0)
            if not is_asked_again and not self.left:
                raise job.HandedBack
            self.left -= not is_asked_again
            heard = () if is_asked_again else (segment,)
            yield WindowResult(window.index, window.start, window.end, "en", 1.0, heard)


@pytest.fixture
def minutes(fox: Path, make_media: MakeMedia) -> Path:
    """Long enough for several windows."""
    return make_media("fox after fox.mp3", "-stream_loop", "40", "-i", str(fox), "-t", "80")


def work(row: Transcription, engine: HardOfHearing, monkeypatch: pytest.MonkeyPatch) -> Transcription:
    monkeypatch.setattr(job, "EngineClient", lambda _address, request_id: engine)
    claim = claims.claim("host/1")
    assert claim is not None
    job.run_attempt(claim)
    row.refresh_from_db()
    return row


def test_an_interrupted_transcription_knows_the_same_missed_speech(
    alice: Character, minutes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = work(submit(alice.actor, minutes, mode=Mode.FAST), HardOfHearing(), monkeypatch)
    interrupted = work(submit(alice.actor, minutes), HardOfHearing(windows=1), monkeypatch)
    assert (interrupted.status, len(interrupted.missed_speech) > 0) == (Status.QUEUED, True)
    work(interrupted, HardOfHearing(), monkeypatch)
    assert (interrupted.status, undisturbed.status) == (Status.COMPLETED, Status.COMPLETED)
    assert interrupted.missed_speech == undisturbed.missed_speech
    texts = [(segment.start, segment.end) for segment in interrupted.segments.all()]
    assert len(texts) > 2
    assert all(end <= a or b <= start for a, b in interrupted.missed_speech for start, end in texts)
    seconds = sum(b - a for a, b in interrupted.missed_speech)
    assert 0.7 * 80 < seconds + sum(end - start + 1 for start, end in texts) <= 82

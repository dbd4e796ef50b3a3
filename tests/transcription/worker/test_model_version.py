"""A finished transcription names the one version that decoded it, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Character, MakeMedia
from tests.transcription.characters import submit
from transcription.engine.types import DecodeOptions, Segment, Window, WindowResult
from transcription.media.loudness import BLOCK_SECONDS
from transcription.models import Loudness, Status, Transcription
from transcription.queue import claims
from transcription.worker import job

# Committed, so that the watchdog, which looks from another connection, sees the claim.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("within")]


class Engines:
    """Answers each window with the next of some versions, as engines that are started again do."""

    def __init__(self, *versions: str) -> None:
        self.versions = iter(versions)

    def decode(self, windows: Iterable[Window], options: DecodeOptions, **_more: object) -> Iterator[WindowResult]:
        for window in windows:
            segment = Segment(window.start, window.end, " Fox.", (1,), 0.0, -0.1, 1.0, 0.0, 0)
            version = next(self.versions)
            if not version:
                raise job.HandedBack
            yield WindowResult(window.index, window.start, window.end, "en", 1.0, (segment,), version)


@pytest.fixture
def minutes(alice: Character, fox: Path, make_media: MakeMedia) -> Transcription:
    """Long enough for several windows."""
    return submit(alice.actor, make_media("minutes.mp3", "-stream_loop", "40", "-i", str(fox), "-t", "80"))


def work(row: Transcription, engines: Engines, monkeypatch: pytest.MonkeyPatch) -> Transcription:
    monkeypatch.setattr(job, "EngineClient", lambda _address, request_id: engines)
    claim = claims.claim("host/1")
    assert claim is not None
    job.run_attempt(claim)
    row.refresh_from_db()
    return row


def test_one_version_is_kept_over_attempts(minutes: Transcription, monkeypatch: pytest.MonkeyPatch) -> None:
    assert work(minutes, Engines("new", ""), monkeypatch).status == Status.QUEUED
    done = work(minutes, Engines(*["new"] * 9), monkeypatch)
    assert (done.status, done.model_version) == (Status.COMPLETED, "new")


@pytest.mark.parametrize("versions", [["old", *["new"] * 9], ["old", "new", *["old"] * 9]])
def test_two_versions_are_none(versions: list[str], minutes: Transcription, monkeypatch: pytest.MonkeyPatch) -> None:
    done = work(minutes, Engines(*versions), monkeypatch)
    assert (done.status, done.model_version) == (Status.COMPLETED, "")


def test_how_loud_it_is_all_the_way_is_kept_after_an_interruption_too(
    minutes: Transcription, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(minutes, Engines("new", ""), monkeypatch)
    assert not Loudness.objects.exists()
    work(minutes, Engines(*["new"] * 9), monkeypatch)
    blocks = bytes(Loudness.objects.get(recording=minutes.recording_id).blocks)
    assert len(blocks) * BLOCK_SECONDS == pytest.approx(80, abs=0.2)
    assert max(blocks[-40:]) > 50


def test_another_version_after_an_interruption_is_none(minutes: Transcription, monkeypatch: pytest.MonkeyPatch) -> None:
    work(minutes, Engines("old", ""), monkeypatch)
    assert work(minutes, Engines(*["new"] * 9), monkeypatch).model_version == ""

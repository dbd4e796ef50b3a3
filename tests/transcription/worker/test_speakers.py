"""Speakers are told apart beside the text. What goes wrong with them never costs it."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from django.conf import LazySettings
from numpy.typing import NDArray

from tenants import enrolled_voices, scope
from tenants.models import EnrolledVoice, LedgerEntry, User
from tests.conftest import Character
from tests.scripted.diarization import checkpoint, voice
from tests.transcription.characters import arrive, submit
from tests.transcription.finishing import serve
from transcription.diarization import weights
from transcription.diarization.types import Diarization, DiarizationError, SpeakerCount, Turn
from transcription.engine.types import DecodeOptions, Segment, Window, WindowResult, Word
from transcription.intake import accept
from transcription.leases import LostClaim
from transcription.media.warnings import codes_of
from transcription.models import DiarizationCheckpoint, KnownSpeaker, Lane, Speaker, Status, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.options.speakers import KnownVoice
from transcription.queue import claims, lifecycle, progress
from transcription.voices import sealing
from transcription.worker import job, speaker_finder

# Committed, so that the watchdog, which looks from another connection, sees the claim.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("within")]
RATE = 16_000


class Listener:
    """Stands at the process boundary: hears all samples, and finds the turns that it was told.

    Gives a checkpoint every ten seconds. `fails` names the method that raises.
    """

    turns: ClassVar[list[Turn]] = []
    fails: ClassVar[str] = ""
    instances: ClassVar[list[Listener]] = []

    def __init__(self, _weights: Path, count: SpeakerCount, channels: int, checkpoints: Sequence[bytes] = ()) -> None:
        self.count, self.channels, self.checkpoints = count, channels, list(checkpoints)
        self.heard: list[NDArray[Any]] = []
        self.given, self.is_closed = len(checkpoints), False
        self.instances.append(self)
        self.fail("start")

    def fail(self, where: str) -> None:
        if self.fails == where:
            raise DiarizationError("the child died (signal 9)")
        if self.fails == f"{where}!":
            raise ZeroDivisionError("a bug")

    def write(self, samples: NDArray[Any]) -> None:
        self.heard.append(samples)
        self.fail("write")

    @property
    def samples(self) -> int:
        return sum(len(part) for part in self.heard)

    def new_checkpoints(self) -> list[bytes]:
        self.fail("checkpoints")
        first, self.given = self.given, max(self.given, self.samples // (10 * RATE))
        return [b"until %d" % number for number in range(first, self.given)]

    def finish(self, on_progress: Callable[[float], None]) -> Diarization:
        on_progress(0.5)
        self.fail("finish")
        return Diarization(tuple(self.turns), by_channel=False)

    def close(self) -> None:
        self.is_closed = True


class Engine:
    """Hears a sentence of four words in each window, and stops after some windows."""

    def __init__(self, windows: int = 99, on_window: Callable[[], object] = lambda: None) -> None:
        self.left, self.options, self.on_window = windows, list[DecodeOptions](), on_window

    def decode(self, windows: Iterable[Window], options: DecodeOptions, **_more: object) -> Iterator[WindowResult]:
        is_asked_again = isinstance(windows, list)
        self.options.append(options)
        for window in windows:
            if not is_asked_again and not self.left:
                raise job.HandedBack
            self.left -= not is_asked_again
            heard = () if is_asked_again else (sentence(window.start, options.prefers_words),)
            yield WindowResult(window.index, window.start, window.end, "en", 1.0, heard, "v1")
            self.on_window()


def sentence(start: float, has_words: bool = True) -> Segment:
    texts = (" What", " now?", " Go", " home.")
    words = tuple(Word(text, start + number, start + number + 0.9, 0.9) for number, text in enumerate(texts))
    kept = words if has_words else ()
    return Segment(start, start + 4.0, "".join(texts), (1, 2), 0.0, -0.1, 1.0, 0.0, 0, kept)


@pytest.fixture(autouse=True)
def listener(monkeypatch: pytest.MonkeyPatch) -> type[Listener]:
    monkeypatch.setattr(speaker_finder, "DiarizationProcess", Listener)
    monkeypatch.setattr(Listener, "turns", [Turn(0.0, 2.0, 7), Turn(2.0, 4.0, 3), Turn(4.0, 99.0, 7)])
    monkeypatch.setattr(Listener, "fails", "")
    Listener.instances.clear()
    return Listener


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return stereo(tmp_path / "call.wav", 8.0)


def stereo(path: Path, seconds: float) -> Path:
    """A tone on the left, another one on the right."""
    times = np.arange(round(seconds * RATE)) / RATE
    channels = np.stack([np.sin(440 * 2 * np.pi * times), np.sin(700 * 2 * np.pi * times) / 2], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        file.writeframes((8000 * channels).astype("<i2").tobytes())
    return path


def work(row: Transcription, monkeypatch: pytest.MonkeyPatch, engine: Engine | None = None) -> Transcription:
    monkeypatch.setattr(job, "EngineClient", lambda _address, request_id: engine or Engine())
    claim = claims.claim("host/1")
    assert claim is not None
    job.run_attempt(claim)
    row.refresh_from_db()
    return row


def lines(row: Transcription) -> list[tuple[str, int | None]]:
    return [(one.text.strip(), one.speaker) for one in row.segments.all()]


def test_a_segment_is_split_where_the_speaker_changes(
    alice: Character, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = work(submit(alice.actor, clip, speakers="2-4"), monkeypatch)
    assert (row.status, row.speakers_error, row.finding_speakers) == (Status.COMPLETED, "", False)
    assert lines(row)[:2] == [("What now?", 0), ("Go home.", 1)]
    assert row.text == "What now? Go home."
    first, second = row.segments.all()[:2]
    assert (first.start, first.end <= second.start, second.end) == (0.0, True, 4.0)
    assert [word["word"] for word in second.words] == [" Go", " home."]
    assert [one.label for one in row.speaker_set.all()] == ["Speaker 1", "Speaker 2"]
    [child] = Listener.instances
    assert (child.count, child.channels, child.is_closed) == (SpeakerCount(2, 4), 2, True)
    assert child.samples == pytest.approx(8 * RATE, abs=RATE // 10)
    left, right = np.concatenate(child.heard).astype(float).T
    assert np.abs(left).max() > 1.8 * np.abs(right).max(), "two channels are heard apart"
    assert LedgerEntry.objects.get().seconds == 8


def test_off_starts_nothing_and_asks_the_engine_for_no_words(
    alice: Character, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine()
    row = work(submit(alice.actor, clip), monkeypatch, engine)
    assert (row.status, Listener.instances, row.speaker_set.count()) == (Status.COMPLETED, [], 0)
    assert not any(options.keeps_words for options in engine.options)
    assert lines(row) == [("What now? Go home.", None)]


def test_an_engine_that_times_no_words_gives_a_segment_to_one_speaker(
    alice: Character, clip: Path, monkeypatch: pytest.MonkeyPatch, listener: type[Listener]
) -> None:
    monkeypatch.setattr(listener, "turns", [Turn(0.0, 3.0, 0), Turn(3.0, 9.0, 1)])
    monkeypatch.setitem(globals(), "sentence", lambda start, _has_words: wordless(start))
    assert lines(work(submit(alice.actor, clip, speakers="auto"), monkeypatch)) == [("What now? Go home.", 0)]


def wordless(start: float) -> Segment:
    return Segment(start, start + 4.0, " What now? Go home.", (1, 2), 0.0, -0.1, 1.0, 0.0, 0)


@pytest.mark.parametrize("fails", ["start", "checkpoints", "finish", "write!"])
def test_whatever_fails_the_text_is_complete_and_says_that_speakers_are_not(
    fails: str, alice: Character, clip: Path, monkeypatch: pytest.MonkeyPatch, listener: type[Listener]
) -> None:
    monkeypatch.setattr(listener, "fails", fails)
    row = work(submit(alice.actor, clip, speakers="auto"), monkeypatch)
    assert (row.status, codes_of(row)) == (Status.COMPLETED, ["no_speakers"])
    assert ("a bug" if "!" in fails else "signal 9") in row.speakers_error
    assert lines(row) == [("What now? Go home.", None)]
    assert all(child.is_closed for child in Listener.instances[:1]) or fails == "start"
    assert LedgerEntry.objects.count() == 1


def test_a_result_without_its_speakers_answers_no_later_request(
    alice: Character, clip: Path, monkeypatch: pytest.MonkeyPatch, listener: type[Listener]
) -> None:
    serve("v1")
    monkeypatch.setattr(listener, "fails", "finish")
    work(submit(alice.actor, clip, speakers="auto"), monkeypatch)
    monkeypatch.setattr(listener, "fails", "")
    second = submit(alice.actor, clip, speakers="auto")
    assert second.status == Status.QUEUED
    assert work(second, monkeypatch).speaker_set.count() == 2


def test_a_known_result_is_copied_with_its_speakers_but_without_names_that_people_gave(
    alice: Character, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transcription.transcripts import speakers

    serve("v1")
    row = work(submit(alice.actor, clip, speakers="auto"), monkeypatch)
    speakers.rename(alice.actor, row.id, 0, "Ann", {"0"})
    speakers.merge(alice.actor, row.id, 1, 0, {"1"})
    copy = submit(alice.actor, clip, speakers="auto")
    assert (copy.status, copy.is_reused) == (Status.COMPLETED, True)
    assert lines(copy)[:2] == [("What now?", 0), ("Go home.", 1)]
    assert [one.label for one in copy.speaker_set.all()] == ["Speaker 1", "Speaker 2"]


def test_an_interrupted_search_goes_on_from_its_checkpoints_and_forgets_them_at_the_end(
    alice: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = stereo(tmp_path / "long.wav", 70.0)
    row = work(submit(alice.actor, recording, speakers="2"), monkeypatch, Engine(windows=1))
    assert row.status == Status.QUEUED
    saved = [bytes(one.data) for one in DiarizationCheckpoint.objects.all()]
    assert saved[0] == b"until 0"
    assert Listener.instances[0].is_closed
    row = work(row, monkeypatch)
    assert (row.status, Listener.instances[1].checkpoints) == (Status.COMPLETED, saved)
    assert not DiarizationCheckpoint.objects.exists()
    assert LedgerEntry.objects.get().seconds == 70


def test_an_interruption_while_only_speakers_are_missing_hears_no_text_again(
    alice: Character, clip: Path, monkeypatch: pytest.MonkeyPatch, listener: type[Listener]
) -> None:
    row = submit(alice.actor, clip, speakers="2")
    with monkeypatch.context() as interrupted:
        interrupted.setattr(listener, "finish", hand_back)
        row = work(row, monkeypatch)
    assert (row.status, row.finding_speakers, lines(row)) == (Status.QUEUED, False, [("What now? Go home.", None)])
    heard: list[object] = []
    row = work(row, monkeypatch, Engine(on_window=partial(heard.append, None)))
    assert (row.status, heard, lines(row)[:2]) == (Status.COMPLETED, [], [("What now?", 0), ("Go home.", 1)])


def hand_back(*_args: object) -> Diarization:
    raise job.HandedBack


def test_a_cancelled_search_ends_and_leaves_no_voices(
    alice: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = submit(alice.actor, stereo(tmp_path / "long.wav", 70.0), speakers="2")
    cancelled = work(row, monkeypatch, Engine(on_window=partial(lifecycle.cancel, row)))
    assert cancelled.status == Status.CANCELLED
    assert Listener.instances[0].is_closed
    assert not DiarizationCheckpoint.objects.exists()


def test_whoever_lost_the_claim_saves_no_checkpoint(alice: Character, clip: Path) -> None:
    row = submit(alice.actor, clip, speakers="2")
    claim = claims.claim("host/1")
    assert claim is not None
    lifecycle.cancel(row)
    with pytest.raises(LostClaim):
        lifecycle.save_checkpoints(claim, 0, [b"voice"])
    assert not DiarizationCheckpoint.objects.exists()


def test_watchers_are_told_that_only_the_speakers_are_missing(
    alice: Character, clip: Path, monkeypatch: pytest.MonkeyPatch, listener: type[Listener]
) -> None:
    from portal.consumers import snapshot_of

    told = []

    def note(*_ids: object) -> None:
        row = Transcription.objects.select_related("recording").get()
        told.append((row.status, snapshot_of(row)["finding_speakers"]))

    monkeypatch.setattr(progress, "announce_change", note)
    work(submit(alice.actor, clip, speakers="auto"), monkeypatch)
    assert (Status.RUNNING, True) in told
    assert told[-1] == (Status.COMPLETED, False)


def test_a_stereo_clip_is_not_heard_from_the_mixed_audio_of_its_probe(
    alice: Character, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TranscriptionOptions.checked(Lane.INTERACTIVE, speakers="auto")
    work(accept.accept(alice.actor, arrive(clip), options, "api"), monkeypatch)
    assert Listener.instances[0].channels == 2


def test_a_failed_attempt_leaves_its_checkpoints_and_a_failed_transcription_none(
    alice: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = submit(alice.actor, stereo(tmp_path / "long.wav", 70.0), speakers="auto")
    for attempt in range(1, 4):
        Transcription.objects.update(not_before=row.created_at)
        row = work(row, monkeypatch, Broken(windows=1 if attempt == 1 else 0))
        assert DiarizationCheckpoint.objects.exists() == (attempt < 3)
    assert (row.status, Speaker.objects.exists()) == (Status.FAILED, False)
    assert all(child.is_closed for child in Listener.instances)


class Broken(Engine):
    """Fails where the other one stops."""

    def decode(self, windows: Iterable[Window], options: DecodeOptions, **more: object) -> Iterator[WindowResult]:
        try:
            yield from super().decode(windows, options, **more)
        except job.HandedBack:
            raise RuntimeError("broken") from None


def test_a_voice_that_can_t_be_compared_costs_the_names_only(
    alice: Character, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = KnownVoice("agent", bytes(3 * 2 * RATE))
    options = replace(TranscriptionOptions.checked(speakers="auto"), known_speakers=(silence,))
    row = work(accept.accept(alice.actor, arrive(clip), options, "api"), monkeypatch)
    assert [one.label for one in row.speaker_set.all()] == ["Speaker 1", "Speaker 2"]
    assert (row.speakers_error, KnownSpeaker.objects.exists()) == ("", False)


def enrol(who: Character, name: str, number: int) -> EnrolledVoice:
    """Enrols somebody with the voice that the test's checkpoints give the speaker of this number."""
    with scope.bound(who.tenant.id):
        return EnrolledVoice.objects.create(
            tenant=who.tenant,
            member=who.member,
            name=name,
            sealed=sealing.seal(voice(number).tobytes()),
            version=weights.VOICES,
        )


class Hearing(Listener):
    """A listener whose checkpoint holds the voices of two speakers, who both say enough to be recognised."""

    turns: ClassVar[list[Turn]] = [Turn(0.0, 2.0, 7), Turn(2.0, 12.0, 3), Turn(12.0, 22.0, 7)]

    def new_checkpoints(self) -> list[bytes]:
        first, self.given = self.given, 1
        return [] if first else [checkpoint(self.turns)]


@pytest.fixture
def voices_heard(monkeypatch: pytest.MonkeyPatch, alice: Character) -> None:
    monkeypatch.setattr(speaker_finder, "DiarizationProcess", Hearing)
    enrolled_voices.allow(alice.actor, True)


def names(row: Transcription) -> list[tuple[str, bool]]:
    return [(one.name, one.recognised_id is not None) for one in row.speaker_set.all()]


@pytest.mark.usefixtures("voices_heard")
def test_who_enrolled_is_named_in_new_recordings_of_the_own_organisation_only(
    alice: Character, bob: Character, mallory: Character, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve("v1")
    talk = stereo(tmp_path / "talk.wav", 22.0)
    enrolled_voices.allow(mallory.actor, True)
    enrol(mallory, "Mallory", 7)
    waiting = submit(alice.actor, talk, speakers="auto")
    enrol(alice, "Alice A.", 3)
    Transcription.objects.filter(id=waiting.id).update(created_at=waiting.created_at - timedelta(hours=1))
    assert names(work(waiting, monkeypatch)) == [("", False), ("", False)], "she enrolled after it was ordered"
    assert names(work(submit(alice.actor, talk, speakers="auto"), monkeypatch)) == [("", False), ("Alice A.", True)]
    again = submit(alice.actor, talk, speakers="auto")
    assert (again.is_reused, names(again)) == (True, [("", False), ("Alice A.", True)])
    bobs = enrol(bob, "Bob B.", 7)
    both = submit(alice.actor, talk, speakers="auto")
    assert names(work(both, monkeypatch)) == [("Bob B.", True), ("Alice A.", True)]
    enrolled_voices.revoke(bob.actor, bobs.member)
    assert submit(alice.actor, talk, speakers="auto").is_reused, "of the time before Bob enrolled"
    enrolled_voices.allow(alice.actor, False)
    plain = submit(alice.actor, talk, speakers="auto")
    assert (plain.is_reused, names(plain)) == (True, [("", False), ("", False)])
    with scope.bound(mallory.tenant.id):
        theirs = submit(mallory.actor, talk, speakers="auto")
        assert names(work(theirs, monkeypatch)) == [("Mallory", True), ("", False)]


@pytest.mark.usefixtures("voices_heard")
@pytest.mark.parametrize("case", ["quiet", "twins", "switched off", "another network", "another key"])
def test_nobody_is_named_where_it_is_in_doubt(
    case: str,
    alice: Character,
    bob: Character,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: LazySettings,
) -> None:
    enrol(alice, "Alice A.", 3)
    if case == "quiet":
        monkeypatch.setattr(Hearing, "turns", [Turn(0.0, 19.0, 7), Turn(19.0, 22.0, 3)])
    elif case == "twins":
        enrol(bob, "Bob B.", 3)
    elif case == "switched off":
        User.objects.filter(pk=alice.user.pk).update(is_active=False)
    elif case == "another network":
        EnrolledVoice.objects.update(version="an older one")
    else:
        settings.SECRET_KEY = "another one"
    row = work(submit(alice.actor, stereo(tmp_path / "talk.wav", 22.0), speakers="auto"), monkeypatch)
    assert (row.status, row.speakers_error) == (Status.COMPLETED, "")
    assert {name for name, _recognised in names(row)} == {""}

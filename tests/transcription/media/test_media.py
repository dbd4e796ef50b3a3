"""Real ffmpeg on real and on spoiled files."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import FakeFfmpeg, MakeMedia
from transcription import media
from transcription.media import DecoderDied, MediaError, probing

FORMATS: dict[str, tuple[str, ...]] = {
    "a.wav": (),
    "a.mp3": (),
    "a.m4a": (),
    "a.aac": (),
    "a.flac": (),
    "a.ogg": ("-c:a", "libvorbis"),
    "a.opus": (),
    "a.webm": ("-c:a", "libopus"),
    "a.mp4": (),
    "a.mkv": (),
    "a.mov": (),
    "a.wma": (),
    "a.aiff": (),
    "a.amr": ("-ar", "8000", "-ac", "1", "-b:a", "12.2k"),
    "telephone.wav": ("-ar", "8000", "-c:a", "pcm_mulaw"),
    "stereo.wav": ("-ac", "2", "-ar", "44100"),
    "会议 记录 1.mp3": (),
}


@pytest.mark.parametrize("name", FORMATS)
def test_any_format_people_have_is_decoded(name: str, fox: Path, make_media: MakeMedia) -> None:
    try:
        path = make_media(name, "-i", str(fox), *FORMATS[name])
    except Exception:
        assert name == "a.amr", name  # some ffmpeg builds read AMR but can't write it
        pytest.skip("this ffmpeg can't make AMR")
    found = media.probe(path, 3600, 3600)
    seconds = sum(map(len, media.decode(path, found.format, 3600))) / media.BYTES_PER_SECOND
    assert seconds == pytest.approx(2.89, abs=0.2)
    assert found.duration == pytest.approx(seconds, abs=0.1)


def test_the_first_of_several_audio_tracks_is_taken(fox: Path, make_media: MakeMedia) -> None:
    two = make_media(
        "two.mka", "-i", str(fox), "-f", "lavfi", "-i", "anullsrc=d=9", "-map", "0:a", "-map", "1:a", "-c:a", "flac"
    )
    found = media.probe(two, 3600, 3600)
    loudest = max(max(chunk) for chunk in media.decode(two, found.format, 4))
    assert loudest > 0


def test_a_stream_without_a_length_is_counted(fox: Path, make_media: MakeMedia) -> None:
    live = make_media("live.webm", "-i", str(fox), "-c:a", "libopus", "-live", "1", "-f", "webm")
    assert media.probe(live, 3600, 3600).duration == pytest.approx(2.89, abs=0.2)


def spoil_text(folder: Path, _make: MakeMedia) -> Path:
    path = folder / "song.mp3"
    path.write_text("This is no song.\n" * 100)
    return path


def spoil_playlist(folder: Path, make: MakeMedia) -> Path:
    inner = make.tone("inner.wav", 1)
    path = folder / "list.mp3"
    path.write_text(f"ffconcat version 1.0\nfile '{inner}'\n")
    return path


def spoil_hls(folder: Path, make: MakeMedia) -> Path:
    inner = make.tone("inner.wav", 1)
    path = folder / "hls.mp3"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{inner}\n#EXT-X-ENDLIST\n")
    return path


def spoil_silent_video(_folder: Path, make: MakeMedia) -> Path:
    return make("silent.mp4", "-f", "lavfi", "-i", "color=size=64x64:duration=1:rate=5")


def spoil_blink(_folder: Path, make: MakeMedia) -> Path:
    return make.tone("blink.wav", 0.02)


def spoil_begun(folder: Path, make: MakeMedia) -> Path:
    (folder / "begun.wav").write_bytes(make.tone("whole.wav", 1, "-bitexact").read_bytes()[:40] + bytes(4))
    return folder / "begun.wav"


def spoil_long(_folder: Path, make: MakeMedia) -> Path:
    return make.tone("long.mp3", 70)


def spoil_random(folder: Path, _make: MakeMedia) -> Path:
    path = folder / "random.wav"
    path.write_bytes(bytes(range(256)) * 64)
    return path


REFUSALS: dict[str, tuple[Callable[[Path, MakeMedia], Path], str]] = {
    "a text named .mp3": (spoil_text, "not_media"),
    "a list of other files": (spoil_playlist, "format_not_taken"),
    "a playlist": (spoil_hls, "format_not_taken"),
    "a video without sound": (spoil_silent_video, "no_audio"),
    "20 ms of audio": (spoil_blink, "too_short"),
    "a recording that was stopped as it began": (spoil_begun, "too_short"),
    "over a minute": (spoil_long, "too_long"),
    "random bytes": (spoil_random, "not_media"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_cannot_be_transcribed_is_refused(kind: str, tmp_path: Path, make_media: MakeMedia) -> None:
    make, code = REFUSALS[kind]
    with pytest.raises(MediaError) as refusal:
        media.probe(make(tmp_path, make_media), 60, 3600)
    assert refusal.value.code == code


def test_samples_are_capped_while_they_stream(make_media: MakeMedia) -> None:
    path = make_media.tone("long.mp3", 70)
    seen = 0

    def count(chunk: bytes) -> None:
        nonlocal seen
        seen += len(chunk)

    with pytest.raises(MediaError, match="too_long"):
        list(map(count, media.decode(path, "mp3", 10)))
    assert seen <= 10 * media.BYTES_PER_SECOND


def test_metadata_cannot_claim_a_length(make_media: MakeMedia) -> None:
    path = make_media.tone("liar.mp3", 30, "-metadata", "title=x\n  Duration: 09:00:00.00, start")
    assert media.probe(path, 3600, 3600).duration == pytest.approx(30, abs=0.2)


def ffmpegs() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if "ffmpeg" in child.name()]


def test_a_decoder_that_nobody_reads_ends_with_its_reader(make_media: MakeMedia) -> None:
    stream = media.decode(make_media.tone("minutes.wav", 400), "wav", 400)
    next(stream)
    assert ffmpegs()
    stream.close()
    assert not ffmpegs()


def test_a_decoder_that_is_killed_is_no_end_of_a_recording(make_media: MakeMedia) -> None:
    stream = media.decode(make_media.tone("minutes.wav", 400), "wav", 400)
    next(stream)
    ffmpegs()[0].kill()
    with pytest.raises(DecoderDied):
        list(stream)


class Arriving:
    """A WAV file that stops coming in its middle, so that whoever reads it waits there."""

    def __init__(self, path: Path, begin: bytes) -> None:
        os.mkfifo(path)
        self.path, self._begin, self.begun, self._over = path, begin, threading.Event(), threading.Event()
        self._writer = threading.Thread(target=self._write)
        self._writer.start()

    def _write(self) -> None:
        with self.path.open("wb", buffering=0) as file, suppress(BrokenPipeError):
            file.write(self._begin)  # more than the pipe holds
            self.begun.set()
            self._over.wait(30)

    def end(self) -> None:
        self._over.set()
        self._writer.join()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_probe_that_somebody_ends_blames_no_file(how: signal.Signals, tmp_path: Path, make_media: MakeMedia) -> None:
    whole = make_media.tone("tone.wav", 15, "-ar", "16000").read_bytes()
    arriving = Arriving(tmp_path / "some.wav", whole[: len(whole) // 2])

    def end_ffmpeg() -> None:
        arriving.begun.wait(60)  # ffmpeg reads: its handlers are in place
        ffmpegs()[0].send_signal(how)
        arriving.end()  # ffmpeg looks for a signal between two reads

    killer = threading.Thread(target=end_ffmpeg)
    killer.start()
    try:
        with pytest.raises(DecoderDied):
            media.probe(arriving.path, 60, 60)
    finally:
        killer.join()
        arriving.end()


@pytest.mark.parametrize("status", [1, 123, 183, 255])
def test_a_probe_that_is_told_to_stop_blames_no_file_however_far_it_was(
    status: int, fox: Path, fake_ffmpeg: FakeFfmpeg
) -> None:
    says = f"echo 'Exiting normally, received signal 15.' >&2; exit {status}"
    with fake_ffmpeg(says), pytest.raises(DecoderDied):
        media.probe(fox, 60, 60)


def test_what_takes_more_time_than_a_recording_may_says_so(
    fox: Path, fake_ffmpeg: FakeFfmpeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "PROBE_CPU_SECONDS", 1)
    monkeypatch.setattr(probing, "PROBE_WALL_SECONDS", 200)  # for a second of a busy processor
    with fake_ffmpeg("while :; do :; done"), pytest.raises(MediaError) as refusal:
        media.probe(fox, 60, 60)
    assert refusal.value.code == "too_complex"


@pytest.mark.parametrize(
    "says", ["kill -XCPU $$", "echo 'Exiting normally, received signal 24.' >&2; exit 255"], ids=["killed", "handled"]
)
def test_what_its_limit_of_time_ended_says_so_whatever_time_the_system_reports(
    says: str, fox: Path, fake_ffmpeg: FakeFfmpeg
) -> None:
    with fake_ffmpeg(says), pytest.raises(MediaError) as refusal:
        media.probe(fox, 60, 60)
    assert refusal.value.code == "too_complex"


def test_what_takes_more_memory_than_a_recording_may_says_so(fox: Path, fake_ffmpeg: FakeFfmpeg) -> None:
    says = "echo '[in#0 @ 0x1] Error opening input: Cannot allocate memory' >&2; exit 244"
    with fake_ffmpeg(says), pytest.raises(MediaError) as refusal:
        media.probe(fox, 60, 60)
    assert refusal.value.code == "too_complex"


def test_a_machine_that_is_too_busy_to_read_blames_no_file(
    fox: Path, fake_ffmpeg: FakeFfmpeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "PROBE_WALL_SECONDS", 0.5)
    with fake_ffmpeg("exec sleep 60"), pytest.raises(DecoderDied):
        media.probe(fox, 60, 60)


def test_a_file_that_crashes_ffmpeg_is_to_blame(fox: Path, fake_ffmpeg: FakeFfmpeg) -> None:
    with fake_ffmpeg("kill -SEGV $$"), pytest.raises(MediaError) as refusal:
        media.probe(fox, 60, 60)
    assert refusal.value.code == "not_media"


def test_a_decoder_that_is_told_to_stop_is_no_end_of_a_recording(make_media: MakeMedia) -> None:
    stream = media.decode(make_media.tone("minutes.wav", 400), "wav", 400)
    next(stream)
    ffmpegs()[0].terminate()
    with pytest.raises(DecoderDied):
        list(stream)


def test_a_decoder_past_its_time_is_not_tried_again(fox: Path, fake_ffmpeg: FakeFfmpeg) -> None:
    with fake_ffmpeg("while :; do :; done"), pytest.raises(MediaError) as refusal:
        list(media.decode(fox, "wav", -59))
    assert refusal.value.code == "too_complex"


def test_a_stream_without_a_length_is_counted_no_further_than_there_is_to_spend(make_media: MakeMedia) -> None:
    live = make_media.tone("live.webm", 130, "-c:a", "libopus", "-live", "1", "-f", "webm")
    assert media.probe(live, 7200, 100).duration == pytest.approx(101, abs=0.2)


def test_long_metadata_is_no_reason_to_refuse(make_media: MakeMedia) -> None:
    lyrics = "\n".join("la la la" for _ in range(6000))
    path = make_media.tone("lyrics.mp3", 2, "-metadata", f"lyrics={lyrics}")
    assert media.probe(path, 60, 60).duration == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("name", ["a.wma", "a.aiff"])
def test_a_copy_for_browsers_is_made(name: str, fox: Path, make_media: MakeMedia, tmp_path: Path) -> None:
    path = make_media(name, "-i", str(fox))
    found = media.probe(path, 60, 60)
    assert not found.is_playable
    media.make_playable(path, found.format, tmp_path / "copy.m4a", 60)
    assert media.probe(tmp_path / "copy.m4a", 60, 60).is_playable

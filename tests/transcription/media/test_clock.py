"""Sound is heard when the media says so, and all of it is heard."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakeMedia
from tests.transcription.sound import TONES, heard, onsets, tones
from transcription import media
from transcription.media import BYTES_PER_SECOND, MediaError

WITH_VIDEO = {
    "mp4": ("-c:v", "libx264", "-c:a", "aac"),
    "webm": ("-c:v", "libvpx", "-c:a", "libopus"),
    "ts": ("-c:v", "mpeg2video", "-c:a", "mp2"),
    "flv": ("-c:v", "flv", "-c:a", "mp3", "-ar", "44100"),
}
AUDIO = {
    "webm": ("-c:a", "libopus"),
    "m4a": ("-c:a", "aac"),
    "mkv": ("-c:a", "flac"),
    "ogg": ("-c:a", "libvorbis"),
    "ts": ("-c:a", "aac"),
}


def late(make: MakeMedia, kind: str, seconds: float) -> Path:
    """A video whose sound begins late."""
    picture = ("-f", "lavfi", "-i", f"color=size=64x64:rate=5:duration={seconds + 10}")
    sound = ("-itsoffset", str(seconds), "-i", str(tones(make)))
    return make(f"late.{kind}", *picture, *sound, "-map", "0", "-map", "1", *WITH_VIDEO[kind])


def gap(make: MakeMedia, kind: str, seconds: float, source: Path | None = None) -> Path:
    """Timestamps jump after the third second, and no sound is missing."""
    jump = f"asetpts='PTS+gte(T,3)*{seconds}/TB'"
    return make(f"gap.{kind}", "-i", str(source or tones(make)), "-af", jump, *AUDIO[kind])


def after(seconds: float, since: float = 0) -> list[float]:
    return [at + seconds * (at > since) for at in TONES]


@pytest.mark.parametrize("kind", WITH_VIDEO)
def test_sound_that_begins_late_keeps_its_place(kind: str, make_media: MakeMedia) -> None:
    found, pcm, warnings = heard(late(make_media, kind, 5))
    assert onsets(pcm) == pytest.approx(after(5), abs=0.05)
    assert found.duration == pytest.approx(14, abs=0.1)
    assert warnings == []


def test_sound_that_begins_after_all_that_a_probe_hears_is_not_too_short(make_media: MakeMedia) -> None:
    found, pcm, _warnings = heard(late(make_media, "mp4", 25))
    assert onsets(pcm) == pytest.approx(after(25), abs=0.05)
    assert found.duration == pytest.approx(34, abs=0.1)


@pytest.mark.parametrize("kind", AUDIO)
def test_a_gap_is_silence_and_no_word_after_it_is_lost(kind: str, make_media: MakeMedia) -> None:
    found, pcm, warnings = heard(gap(make_media, kind, 2))
    assert onsets(pcm) == pytest.approx(after(2, since=3), abs=0.05)
    assert found.duration == pytest.approx(11, abs=0.1)
    assert warnings == ["gaps"]
    assert not found.is_playable


def test_the_end_is_what_ffmpeg_says_it_is_and_no_count_of_samples(make_media: MakeMedia) -> None:
    found, pcm, _warnings = heard(gap(make_media, "webm", 2, tones(make_media, 30)))
    assert len(onsets(pcm)) == 20
    assert found.duration == pytest.approx(32, abs=0.1)


@pytest.mark.parametrize("kind", ["webm", "m4a", "mkv"])
def test_a_clock_without_a_picture_begins_at_zero_too(kind: str, make_media: MakeMedia) -> None:
    start = ("-itsoffset", "5", "-i", str(tones(make_media)), "-copyts")
    _found, pcm, _warnings = heard(make_media(f"start.{kind}", *start, *AUDIO[kind]))
    assert onsets(pcm) == pytest.approx(after(5), abs=0.05)


@pytest.mark.parametrize("kind", ["mp3", "m4a", "opus", "webm"])
def test_what_coding_puts_before_the_sound_shifts_no_word(kind: str, make_media: MakeMedia) -> None:
    _found, pcm, warnings = heard(make_media(f"primed.{kind}", "-i", str(tones(make_media))))
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)
    assert warnings == []


def test_broadcast_clocks_begin_anywhere_and_wrap(make_media: MakeMedia) -> None:
    start = ("-itsoffset", "95440", "-i", str(tones(make_media)), "-copyts", "-muxdelay", "0")
    _found, pcm, _warnings = heard(make_media("wrap.ts", *start, *AUDIO["ts"]))
    assert onsets(pcm) == pytest.approx(TONES, abs=0.1)


@pytest.mark.parametrize("kind", ["ogg", "ts", "mp3"])
def test_recordings_that_were_joined_are_heard_to_the_end(kind: str, tmp_path: Path, make_media: MakeMedia) -> None:
    one = make_media(f"one.{kind}", "-i", str(tones(make_media)), *AUDIO.get(kind, ())).read_bytes()
    (tmp_path / f"three.{kind}").write_bytes(one * 3)
    found, pcm, _warnings = heard(tmp_path / f"three.{kind}")
    assert len(onsets(pcm)) == 18
    assert found.duration == pytest.approx(27, abs=0.3)


@pytest.mark.parametrize("kind", ["webm", "flac"])
def test_a_player_gets_a_copy_of_recordings_that_were_joined(kind: str, tmp_path: Path, make_media: MakeMedia) -> None:
    one = make_media(f"one.{kind}", "-i", str(tones(make_media)), *AUDIO.get(kind, ())).read_bytes()
    (tmp_path / f"two.{kind}").write_bytes(one * 2)
    found, pcm, warnings = heard(tmp_path / f"two.{kind}")
    assert onsets(pcm) == pytest.approx([*TONES, *(9 + at for at in TONES)], abs=0.1)
    assert warnings == ["mended"]
    assert not found.is_playable


JOINED = {
    "wav": ("-c:a", "pcm_s16le"),
    "ogg": ("-c:a", "libvorbis"),
    "aac": ("-c:a", "aac"),
    "m4a": ("-c:a", "aac"),
    "mp3": ("-c:a", "libmp3lame"),
    "flac": ("-c:a", "flac"),
    "wv": ("-c:a", "wavpack"),
    "caf": ("-c:a", "pcm_s16le"),
    "aiff": ("-c:a", "pcm_s16be"),
}


@pytest.mark.parametrize("kind", JOINED)
def test_recordings_of_other_rates_and_channels_that_were_joined_are_heard_to_the_end(
    kind: str, tmp_path: Path, make_media: MakeMedia
) -> None:
    source, other = ("-i", str(tones(make_media)), *JOINED[kind]), ("-ar", "48000", "-ac", "2")
    parts = [make_media(f"one.{kind}", *source, "-ar", "32000"), make_media(f"two.{kind}", *source, *other)]
    (tmp_path / f"joined.{kind}").write_bytes(b"".join(part.read_bytes() for part in parts))
    found, pcm, warnings = heard(tmp_path / f"joined.{kind}")
    assert onsets(pcm) == pytest.approx([*TONES, *(9 + at for at in TONES)], abs=0.15)
    assert found.duration >= 17
    assert warnings == ["mended"]


def test_aac_whose_rate_changes_is_said_to_last_as_long_as_it_does(tmp_path: Path, make_media: MakeMedia) -> None:
    source = ("-f", "lavfi", "-i", "sine=duration=30")
    parts = [make_media(f"{rate}.aac", *source, "-ar", rate) for rate in ("44100", "22050")]
    (tmp_path / "joined.aac").write_bytes(b"".join(part.read_bytes() for part in parts))
    assert media.probe(tmp_path / "joined.aac", 600, 600).duration == pytest.approx(60, abs=0.5)


def test_a_player_gets_a_copy_of_aac_with_something_between_its_frames(tmp_path: Path, make_media: MakeMedia) -> None:
    whole = make_media("whole.aac", "-i", str(tones(make_media)))
    data = whole.read_bytes()
    middle = data.index(data[:3], len(data) // 2)
    (tmp_path / "torn.aac").write_bytes(data[:middle] + bytes(5000) + data[middle:])
    assert heard(whole)[0].is_playable
    assert not heard(tmp_path / "torn.aac")[0].is_playable


def test_timestamps_that_go_back_take_no_sound_away(make_media: MakeMedia) -> None:
    back = "setts=pts='PTS-if(gte(PTS,192000),144000,0)':dts=DTS"
    _found, pcm, _warnings = heard(make_media("back.mkv", "-i", str(tones(make_media)), "-c:a", "aac", "-bsf:a", back))
    assert onsets(pcm) == pytest.approx(TONES, abs=0.1)


def test_inserted_silence_counts_against_the_limit(make_media: MakeMedia) -> None:
    jump, seen = gap(make_media, "webm", 36_000), bytearray()
    with pytest.raises(MediaError, match="too_long"):
        media.probe(jump, 600, 600)
    with pytest.raises(MediaError, match="too_long"):
        list(map(seen.extend, media.decode(jump, "matroska,webm", 600)))
    assert len(seen) < 4 * BYTES_PER_SECOND


@pytest.mark.parametrize("kind", ["webm", "mkv"])
def test_a_copy_for_browsers_has_the_clock_of_the_text(kind: str, make_media: MakeMedia, tmp_path: Path) -> None:
    path = gap(make_media, kind, 2)
    _found, pcm, _warnings = heard(path)
    media.make_playable(path, "matroska,webm", tmp_path / "copy.m4a", 60)
    copy, sound, warnings = heard(tmp_path / "copy.m4a")
    assert onsets(sound) == pytest.approx(onsets(pcm), abs=0.05)
    assert copy.is_playable
    assert warnings == []

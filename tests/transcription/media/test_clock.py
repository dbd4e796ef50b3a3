"""Sound is heard when the media says so, and all of it is heard."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import MakeMedia
from tests.transcription.sound import TONES, heard, onsets, tones
from transcription import media
from transcription.media import BYTES_PER_SECOND, MediaError
from transcription.media.parts import MOST_PARTS, joined_parts

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


HOURS = 7200
LIVE = {
    "mkv": ("-c:a", "flac"),
    "webm": ("-c:a", "libopus"),
    "ogg": ("-c:a", "libvorbis"),
    "m4a": ("-c:a", "aac"),
}


@pytest.mark.parametrize("kind", LIVE)
def test_a_piece_of_a_live_stream_is_no_longer_than_its_sound(kind: str, make_media: MakeMedia) -> None:
    start = ("-itsoffset", str(HOURS), "-i", str(tones(make_media)), "-copyts")
    found, pcm, warnings = heard(make_media(f"live.{kind}", *start, *LIVE[kind]), longest=600)
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)
    assert found.duration == pytest.approx(9, abs=0.2)
    assert warnings == ["mended"]
    assert not found.is_playable


@pytest.mark.parametrize("kind", AUDIO)
def test_hours_without_sound_are_another_clock(kind: str, make_media: MakeMedia) -> None:
    found, pcm, warnings = heard(gap(make_media, kind, HOURS, tones(make_media, 30)), longest=600)
    assert len(onsets(pcm)) == 20
    assert found.duration == pytest.approx(30, abs=2.2)
    assert warnings == ([] if kind == "ts" else ["mended"])


def test_sound_that_begins_minutes_after_the_picture_of_a_stream_is_found(make_media: MakeMedia) -> None:
    found, pcm, _warnings = heard(late(make_media, "flv", 200))
    assert onsets(pcm) == pytest.approx(after(200), abs=0.05)
    assert found.duration == pytest.approx(209, abs=0.1)


@pytest.mark.parametrize("packet", [188, 192])
def test_sound_of_a_broadcast_that_goes_on_in_another_stream_is_heard(
    packet: int, tmp_path: Path, make_media: MakeMedia
) -> None:
    encoder = ("-c:a", "mp2", "-muxdelay", "0", "-copyts")
    first = make_media("first.ts", "-i", str(tones(make_media)), *encoder, "-streamid", "0:257")
    source = ("-itsoffset", "9", "-i", str(tones(make_media)))
    second = make_media("second.ts", *source, *encoder, "-streamid", "0:300")
    data = first.read_bytes() + second.read_bytes()
    time = bytes(packet - 188)  # of arrival, before each packet
    (tmp_path / "moved.ts").write_bytes(b"".join(time + data[at : at + 188] for at in range(0, len(data), 188)))
    found, pcm, _warnings = heard(tmp_path / "moved.ts")
    assert onsets(pcm) == pytest.approx([*TONES, *(9 + at for at in TONES)], abs=0.1)
    assert found.duration == pytest.approx(18, abs=0.1)
    assert len(found.tracks) == 1


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
    found, pcm, warnings = heard(joined(tmp_path / f"joined.{kind}", *parts))
    assert onsets(pcm) == pytest.approx([*TONES, *(9 + at for at in TONES)], abs=0.15)
    assert found.duration >= 17
    assert warnings == ["mended"]


def joined(target: Path, *parts: Path) -> Path:
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target


def test_a_part_whose_channels_cancel_out_is_heard_after_one_of_a_single_channel(
    tmp_path: Path, make_media: MakeMedia
) -> None:
    inverted = ("-i", str(tones(make_media)), "-af", "pan=stereo|c0=c0|c1=-1*c0")
    parts = tones(make_media), make_media("inverted.wav", *inverted)
    _found, pcm, warnings = heard(joined(tmp_path / "joined.wav", *parts))
    assert onsets(pcm) == pytest.approx([*TONES, *(9 + at for at in TONES)], abs=0.05)
    assert set(warnings) == {"channels_cancel", "mended"}


def test_a_part_that_nobody_can_decode_is_told(tmp_path: Path, make_media: MakeMedia) -> None:
    whole = tones(make_media)
    unknown = tmp_path / "unknown.wav"
    unknown.write_bytes(whole.read_bytes().replace(b"fmt \x10\0\0\0\1\0", b"fmt \x10\0\0\0\x99\x99"))
    _found, pcm, warnings = heard(joined(tmp_path / "joined.wav", whole, unknown, whole))
    assert len(onsets(pcm)) == 12
    assert set(warnings) == {"incomplete", "mended"}


def test_fragments_that_each_begin_with_a_header_go_on_by_their_clock(tmp_path: Path, make_media: MakeMedia) -> None:
    fragments = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "3000000")
    data = make_media("fragments.mp4", "-i", str(tones(make_media)), "-c:a", "aac", *fragments).read_bytes()
    header, *moofs = [data[at - 4 : end - 4] for at, end in boxes(data)]
    again = tmp_path / "again.mp4"
    again.write_bytes(b"".join(header + moof for moof in moofs))
    found, pcm, warnings = heard(again)
    assert len(moofs) == 3
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)
    assert found.duration == pytest.approx(9, abs=0.2)
    assert "gaps" not in warnings


def boxes(data: bytes) -> list[tuple[int, int]]:
    """From and to of the header, and of each fragment, all of them 4 bytes late; what follows the last one is left."""
    found = [4, *(match.start() for match in re.finditer(b"moof", data))]
    end = data.find(b"mfra") if b"mfra" in data else len(data) + 4
    return list(pairwise([*found, end]))


def test_a_file_of_countless_parts_is_read_in_a_hundred_at_most(tmp_path: Path, make_media: MakeMedia) -> None:
    empty = b"\0\0\0\x08ftyp" + b"\0\0\0\x10moov" + bytes(8)
    whole, path = make_media("whole.m4a", "-i", str(tones(make_media))).read_bytes(), tmp_path / "parts.m4a"
    for count, known in ((99, MOST_PARTS), (100, MOST_PARTS + 1), (5000, MOST_PARTS + 1)):
        path.write_bytes(whole + count * empty)
        assert len(joined_parts(path)) == known


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
    jump, seen = gap(make_media, "webm", 3000), bytearray()
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

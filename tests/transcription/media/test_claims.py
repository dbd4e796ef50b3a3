"""What a file says about its length refuses nothing, hides nothing and costs nothing: what it holds counts."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tenants.models import Quota, Reservation
from tests.conftest import Character, MakeMedia
from tests.transcription.characters import submit
from tests.transcription.sound import TONES, heard, onsets, tones
from transcription import media
from transcription.media import MediaError

TEN_HOURS = 36_000


def patched(path: Path, target: Path, mark: bytes, at: int, value: int, order: str = ">I") -> Path:
    data = bytearray(path.read_bytes())
    start = data.index(mark) + at
    data[start : start + struct.calcsize(order)] = struct.pack(order, value)
    target.write_bytes(data)
    return target


def xing(folder: Path, make: MakeMedia) -> Path:
    whole = make("whole.mp3", "-i", str(tones(make, 30)), "-ar", "48000")
    mark = b"Xing" if b"Xing" in whole.read_bytes() else b"Info"
    return patched(whole, folder / "xing.mp3", mark, 8, TEN_HOURS * 48_000 // 1152)


def movie_header(folder: Path, make: MakeMedia) -> Path:
    whole = make("whole.m4a", "-i", str(tones(make, 30)))
    return patched(whole, folder / "mvhd.m4a", b"mvhd", 20, TEN_HOURS * 1000)


def estimate(folder: Path, make: MakeMedia) -> Path:
    """At the bit rate of its first frames it would last many times as long."""
    quiet = make("quiet.mp3", "-f", "lavfi", "-i", "anullsrc=d=1:r=48000:cl=mono", "-b:a", "32k", "-write_xing", "0")
    loud = make("loud.mp3", "-i", str(tones(make, 30)), "-ar", "48000", "-b:a", "256k", "-write_xing", "0")
    (folder / "estimate.mp3").write_bytes(quiet.read_bytes() + loud.read_bytes())
    return folder / "estimate.mp3"


def last_frame(folder: Path, make: MakeMedia) -> Path:
    whole = make("whole.m4a", "-i", str(tones(make, 30)))
    count = int.from_bytes(whole.read_bytes().partition(b"stts")[2][4:8])
    return patched(whole, folder / "stts.m4a", b"stts", 12 + 8 * (count - 1), TEN_HOURS * 48_000)


LIARS: dict[str, Callable[[Path, MakeMedia], Path]] = {
    "a Xing header": xing,
    "a movie header": movie_header,
    "an estimate by the bit rate": estimate,
    "a last frame": last_frame,
}


@pytest.mark.parametrize("liar", LIARS)
def test_a_claim_refuses_nothing(liar: str, tmp_path: Path, make_media: MakeMedia) -> None:
    found, pcm, _warnings = heard(LIARS[liar](tmp_path, make_media), longest=60)
    assert len(onsets(pcm)) == 20
    assert found.duration == pytest.approx(30.5, abs=2)


@pytest.mark.django_db
@pytest.mark.usefixtures("within")
def test_a_claim_reserves_nothing(alice: Character, tmp_path: Path, make_media: MakeMedia) -> None:
    Quota.objects.filter(tenant=alice.tenant).update(monthly_seconds=60, recording_seconds=60)
    submit(alice.actor, xing(tmp_path, make_media))
    assert Reservation.objects.get().seconds <= 31


def test_what_is_really_too_long_is_refused_without_decoding_it(make_media: MakeMedia) -> None:
    tone = "sine=frequency=300:duration=1800:sample_rate=8000"
    half_an_hour = make_media("half an hour.mp3", "-f", "lavfi", "-i", tone, "-b:a", "8k")
    with pytest.raises(MediaError) as refusal:
        media.probe(half_an_hour, 1700, 36_000)
    assert refusal.value.code == "too_long"


WHOLE = {
    "m4a": ("-movflags", "+faststart"),
    "wav": (),
    "mp3": (),
    "flac": (),
    "ogg": ("-c:a", "libvorbis"),
    "mka": ("-c:a", "libopus"),
    "aiff": (),
    "avi": ("-c:a", "mp3"),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_half_a_file_is_heard_and_said_to_be_incomplete(kind: str, tmp_path: Path, make_media: MakeMedia) -> None:
    whole = make_media(f"whole.{kind}", "-i", str(tones(make_media)), *WHOLE[kind])
    assert heard(whole)[2] == []
    data = whole.read_bytes()
    (tmp_path / f"half.{kind}").write_bytes(data[: len(data) // 2])
    _found, pcm, warnings = heard(tmp_path / f"half.{kind}")
    assert onsets(pcm)[0] == pytest.approx(1, abs=0.05)
    assert warnings == ["incomplete"]


def test_half_a_video_is_incomplete_and_one_whose_sound_ends_first_is_not(
    tmp_path: Path, make_media: MakeMedia
) -> None:
    picture = ("-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=15", "-c:v", "libx264", "-c:a", "aac")
    whole = make_media("whole.mp4", "-i", str(tones(make_media)), *picture, "-movflags", "+faststart")
    assert heard(whole)[2] == []
    data = whole.read_bytes()
    (tmp_path / "half.mp4").write_bytes(data[: len(data) // 2])
    assert heard(tmp_path / "half.mp4")[2] == ["incomplete"]


def test_a_file_without_its_index_is_refused(tmp_path: Path, make_media: MakeMedia) -> None:
    data = make_media("index last.m4a", "-i", str(tones(make_media))).read_bytes()
    (tmp_path / "half.m4a").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError) as refusal:
        media.probe(tmp_path / "half.m4a", 60, 60)
    assert refusal.value.code == "not_media"


@pytest.mark.parametrize("length", [0, 2 * 48_000, 0xFFFFFFFF])
def test_a_recorder_that_never_wrote_the_length_has_all_its_sound_heard(
    length: int, tmp_path: Path, make_media: MakeMedia
) -> None:
    stale = patched(tones(make_media), tmp_path / "stale.wav", b"data", 4, length, "<I")
    _found, pcm, warnings = heard(patched(stale, stale, b"RIFF", 4, length, "<I"))
    assert len(onsets(pcm)) == 6
    assert warnings == (["mended"] if length == 2 * 48_000 else [])


@pytest.mark.parametrize("length", [0, 2 * 48_000])
def test_a_large_wav_without_its_length_has_all_its_sound_heard(
    length: int, tmp_path: Path, make_media: MakeMedia
) -> None:
    whole = make_media("large.wav", "-i", str(tones(make_media)), "-rf64", "always")
    found, pcm, _warnings = heard(patched(whole, tmp_path / "stale.wav", b"ds64", 16, length, "<Q"))
    assert len(onsets(pcm)) == 6
    assert not found.is_playable


@pytest.mark.parametrize("length", [0, 8, 2 * 48_000, 0x7F000008, 0xFFFFFFFF])
def test_an_aiff_without_its_length_has_all_its_sound_heard(length: int, tmp_path: Path, make_media: MakeMedia) -> None:
    stale = patched(make_media("whole.aiff", "-i", str(tones(make_media))), tmp_path / "stale.aiff", b"FORM", 4, length)
    patched(stale, stale, b"COMM", 10, length // 2)
    found, pcm, warnings = heard(patched(stale, stale, b"SSND", 4, length))
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)
    assert found.duration == pytest.approx(9, abs=0.1)
    assert warnings == ["mended"]


@pytest.mark.parametrize("length", [0, (1 << 63) - 1, (1 << 64) - 1])
def test_a_w64_without_its_length_has_all_its_sound_heard(length: int, tmp_path: Path, make_media: MakeMedia) -> None:
    stale = patched(
        make_media("a.w64", "-i", str(tones(make_media))), tmp_path / "a.w64", b"data\xf3", 16, length, "<Q"
    )
    _found, pcm, warnings = heard(patched(stale, stale, b"riff", 16, length, "<Q"))
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)
    assert warnings == ["mended"]


@pytest.mark.parametrize("length", [0, 2 * 48_000])
def test_an_au_without_its_length_has_all_its_sound_heard(length: int, tmp_path: Path, make_media: MakeMedia) -> None:
    stale = patched(make_media("a.au", "-i", str(tones(make_media))), tmp_path / "a.au", b".snd", 8, length)
    _found, pcm, warnings = heard(stale)
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)
    assert warnings == ["mended"]


def test_an_edit_list_that_shows_nothing_hides_nothing(tmp_path: Path, make_media: MakeMedia) -> None:
    whole = make_media("whole.m4a", "-i", str(tones(make_media)))
    _found, pcm, warnings = heard(patched(whole, tmp_path / "edited.m4a", b"elst", 12, 0))
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)
    assert warnings == ["mended"]

"""Which formats are taken, and that no name and no content leads ffmpeg to another file."""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Character, MakeMedia
from tests.transcription.characters import submit
from tests.transcription.intake.test_accept import refuse
from tests.transcription.sound import TONES, heard, onsets, tones
from transcription import media
from transcription.media import MediaError, find_ffmpeg, formats

SPEECH_FILE = Path(__file__).parent / "files" / "speech.gsm"
MADE: dict[str, tuple[str, ...]] = {
    "a.mxf": ("-f", "lavfi", "-i", "testsrc=size=720x576:rate=25:d=3", "-ar", "48000"),
    "a.nut": (),
    "a.rm": ("-c:a", "ac3"),
    "a.dts": ("-c:a", "dca", "-strict", "-2", "-ac", "2", "-ar", "48000"),
    "a.sbc": (),
    "a.msbc": ("-c:a", "sbc", "-msbc", "1", "-ar", "16000", "-ac", "1", "-f", "sbc"),
    "a.g722": ("-ar", "16000", "-ac", "1"),
    "a.sf": ("-f", "ircam"),
    "a.ul": ("-f", "mulaw", "-ar", "8000"),
    "a.al": ("-f", "alaw", "-ar", "8000"),
    "a.sln": ("-f", "s16le", "-ar", "8000", "-ac", "1"),
    "a.ac3": (),
    "a.wv": (),
    "a.tta": (),
    "a.caf": (),
    "a.w64": (),
    "a.voc": (),
    "a.sox": (),
    "a.wtv": ("-c:a", "mp2"),
    "a.swf": ("-ar", "44100"),
}


def unnamed(path: Path, folder: Path) -> Path:
    """As an upload lies on disk: only its content can be looked at."""
    return Path(shutil.copyfile(path, folder / "original"))


@pytest.mark.parametrize("name", MADE)
def test_what_ffmpeg_reads_is_taken(name: str, fox: Path, tmp_path: Path, make_media: MakeMedia) -> None:
    path = unnamed(make_media(name, "-i", str(fox), *MADE[name]), tmp_path)
    found = media.probe(path, 60, 60, name=f"Interview.{name[2:].upper()}")
    pcm = b"".join(media.decode(path, found.format, 60))
    assert len(pcm) / media.BYTES_PER_SECOND == pytest.approx(2.9, abs=0.2)
    assert found.duration == pytest.approx(2.9, abs=0.2)


def test_gsm_of_a_telephone_is_taken(tmp_path: Path) -> None:
    found = media.probe(unnamed(SPEECH_FILE, tmp_path), 60, 60, name="speech.gsm")
    assert found.format == "gsm"
    assert found.duration == pytest.approx(4.68, abs=0.01)


def test_a_name_chooses_no_demuxer_that_content_knows_better(fox: Path, tmp_path: Path) -> None:
    assert media.probe(unnamed(fox, tmp_path), 60, 60, name="fox.g722").format == "wav"


LEFT_OUT = {
    "a playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://INNER\n#EXT-X-ENDLIST\n",
    "a list of other files": b"ffconcat version 1.0\nfile 'INNER'\n",
    "a manifest": b'<?xml version="1.0"?>\n<MPD profiles="urn:mpeg:dash:profile:isoff-live:2011"></MPD>\n',
    "a session": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "subtitles": b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:03,000 --> 00:00:04,000\nWorld\n",
}


@pytest.mark.parametrize("name", ["song.mp3", "song.gsm", "song.sln", "list.m3u8", "song"])
@pytest.mark.parametrize("kind", LEFT_OUT)
def test_what_opens_other_files_or_has_no_sound_is_not_taken(
    kind: str, name: str, tmp_path: Path, make_media: MakeMedia
) -> None:
    inner = make_media.tone("inner.wav", 1)
    path = tmp_path / "original"
    path.write_bytes(LEFT_OUT[kind].replace(b"INNER", str(inner).encode()))
    with pytest.raises(MediaError) as refusal:
        media.probe(path, 60, 60, name=name)
    assert refusal.value.code == "format_not_taken"


@pytest.mark.parametrize("kind", ["wav", "m4a", "webm", "flac", "flv", "caf", "au", "wma", "wv", "tta", "avi"])
def test_a_file_is_heard_behind_what_a_program_left_before_it(
    kind: str, fox: Path, tmp_path: Path, make_media: MakeMedia
) -> None:
    path = tmp_path / "original"
    form = b'------Boundary\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    path.write_bytes(
        form + make_media(f"a.{kind}", "-i", str(fox), "-ar", "44100" if kind == "flv" else "48000").read_bytes()
    )
    found, pcm, warnings = heard(path)
    assert len(pcm) / media.BYTES_PER_SECOND == pytest.approx(2.9, abs=0.2)
    assert warnings == ["mended"]
    assert not found.is_playable


@pytest.mark.parametrize("kind", ["ts", "flac"])
def test_a_file_is_heard_behind_zeros_and_behind_a_large_tag(
    kind: str, fox: Path, tmp_path: Path, make_media: MakeMedia
) -> None:
    data = make_media(f"a.{kind}", "-i", str(fox), "-ar", "48000").read_bytes()
    for before in (bytes(100_000), b"ID3\3\0\0\0\x60\0\0" + bytes(0x60 << 14)):
        (tmp_path / "original").write_bytes(before + data)
        _found, pcm, _warnings = heard(tmp_path / "original")
        assert len(pcm) / media.BYTES_PER_SECOND == pytest.approx(2.9, abs=0.2)


@pytest.mark.parametrize("scale", [1 << 15, 1 << 23, 1 << 31])
@pytest.mark.parametrize("kind", ["wav", "mov"])
def test_floating_point_sound_as_large_as_whole_numbers_is_not_clipped(
    scale: int, kind: str, make_media: MakeMedia
) -> None:
    source = f"aevalsrc='{scale}*(0.3*sin(2*PI*1000*t)*gt(mod(t,1.5),1)+random(0)/500)':s=48000:d=9"
    found, pcm, warnings = heard(make_media(f"large.{kind}", "-f", "lavfi", "-i", source, "-c:a", "pcm_f32le"))
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)
    assert np.abs(np.frombuffer(pcm, "<i2").astype(int)).max() == pytest.approx(0.3 * 32768, rel=0.02)
    assert warnings == ["mended"]
    assert not found.is_playable


@pytest.mark.parametrize("wrong", [100.0, 1e30, math.inf, math.nan])
def test_single_numbers_that_are_no_sound_make_the_rest_no_quieter(
    wrong: float, tmp_path: Path, make_media: MakeMedia
) -> None:
    whole = make_media("float.wav", "-i", str(tones(make_media)), "-c:a", "pcm_f32le").read_bytes()
    (tmp_path / "wrong.wav").write_bytes(whole[:-8] + struct.pack("<2f", wrong, wrong))
    _found, pcm, warnings = heard(tmp_path / "wrong.wav")
    assert onsets(pcm)[:6] == pytest.approx(TONES, abs=0.05)
    assert np.percentile(np.abs(np.frombuffer(pcm, "<i2").astype(int)), 99) == pytest.approx(16384, rel=0.02)
    assert warnings == []


def test_a_big_endian_wave_file_is_heard(tmp_path: Path, make_media: MakeMedia) -> None:
    sound = tones(make_media).read_bytes()[-18 * 48_000 :]
    form = struct.pack(">IHHIIHH", 16, 1, 1, 48_000, 96_000, 2, 16)
    swapped = np.frombuffer(sound, "<i2").astype(">i2").tobytes()
    data = b"data" + struct.pack(">I", len(swapped)) + swapped
    (tmp_path / "big.wav").write_bytes(b"RIFX" + struct.pack(">I", 28 + len(data)) + b"WAVEfmt " + form + data)
    _found, pcm, warnings = heard(tmp_path / "big.wav")
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)
    assert warnings == ["mended"]


def test_all_of_a_wave_file_in_two_pieces_is_heard(tmp_path: Path, make_media: MakeMedia) -> None:
    whole = tones(make_media).read_bytes()
    start, half = len(whole) - 18 * 48_000, 9 * 48_000
    length = half.to_bytes(4, "little")
    between = b"LIST\4\0\0\0INFOdata" + length
    pieces = whole[: start - 4], length, whole[start : start + half], between, whole[start + half :]
    (tmp_path / "pieces.wav").write_bytes(b"".join(pieces))
    _found, pcm, warnings = heard(tmp_path / "pieces.wav")
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)
    assert len(pcm) == 9 * media.BYTES_PER_SECOND
    assert warnings == ["mended"]


ARCHIVES = {"zip": "zip", "tar": "tar", "tar.gz": "gztar"}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_of_recordings_is_not_taken(kind: str, fox: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    shutil.copyfile(fox, tmp_path / "in" / "fox.wav")
    archive = shutil.make_archive(str(tmp_path / "archive"), ARCHIVES[kind], tmp_path / "in")
    with pytest.raises(MediaError) as refusal:
        media.probe(unnamed(Path(archive), tmp_path), 60, 60, name=f"recordings.{kind}")
    assert refusal.value.code == "format_not_taken"


def test_a_picture_is_not_taken(tmp_path: Path, make_media: MakeMedia) -> None:
    picture = make_media("picture.png", "-f", "lavfi", "-i", "testsrc=size=64x64:rate=1:d=1", "-frames:v", "1")
    with pytest.raises(MediaError) as refusal:
        media.probe(unnamed(picture, tmp_path), 60, 60, name="picture.mp3")
    assert refusal.value.code == "format_not_taken"


def test_names_choose_from_the_list_alone() -> None:
    assert set(formats.DEMUXERS_BY_EXTENSION.values()) <= set(formats.ALLOWED_DEMUXERS)


def test_no_demuxer_that_opens_something_else_is_taken() -> None:
    listed = subprocess.run([find_ffmpeg(), "-hide_banner", "-demuxers"], capture_output=True, text=True, check=True)
    known = [line.split() for line in listed.stdout.splitlines() if line.startswith(" D")]
    devices = {name for flags, *names in known if "d" in flags[1:] or names[0] == "d" for name in names}
    others = "concat dash dvdvideo hls image2 image2pipe imf lavfi mlv rtp rtsp sap sbg sdp tty vobsub"
    assert not {*devices, *others.split()} & set(formats.ALLOWED_DEMUXERS)


@pytest.mark.django_db
@pytest.mark.usefixtures("within")
def test_a_refusal_says_that_the_format_is_not_taken_and_the_way_out(alice: Character, tmp_path: Path) -> None:
    (tmp_path / "list.mp3").write_bytes(LEFT_OUT["a list of other files"])
    refused = refuse(alice, tmp_path / "list.mp3")
    assert refused.code == "format_not_taken"
    assert "WAV" in refused.message


@pytest.mark.django_db
@pytest.mark.usefixtures("within")
def test_the_name_of_an_upload_tells_what_its_content_does_not(
    alice: Character, fox: Path, make_media: MakeMedia
) -> None:
    row = submit(alice.actor, make_media("a.g722", "-i", str(fox), *MADE["a.g722"]))
    assert row.recording.format == "g722"

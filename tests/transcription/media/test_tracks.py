"""Which of several audio tracks is heard, and how many channels become one."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import MakeMedia
from tests.transcription.sound import TONES, heard, onsets, tones
from transcription import media
from transcription.media import AudioTrack, MediaError

SILENCE = ("-f", "lavfi", "-i", "anullsrc=d=9:r=48000:cl=mono")


def two(make: MakeMedia, name: str, first: tuple[str, ...], second: tuple[str, ...], *more: str) -> Path:
    return make(name, *first, *second, "-map", "0:a", "-map", "1:a", "-c:a", "aac", *more)


def speech(make: MakeMedia) -> tuple[str, ...]:
    return ("-i", str(tones(make)))


@pytest.mark.parametrize("noise", ["anoisesrc=d=9:a=0.02:r=48000:c=pink", "sine=f=50:d=9:r=48000"])
def test_a_track_of_hiss_or_hum_yields_to_one_in_which_something_happens(noise: str, make_media: MakeMedia) -> None:
    path = two(make_media, "hiss.mkv", ("-f", "lavfi", "-i", noise), speech(make_media))
    assert heard(path)[0].track == 1


@pytest.mark.parametrize("kind", ["mkv", "mp4"])
def test_a_silent_track_yields_to_one_that_is_not(kind: str, make_media: MakeMedia) -> None:
    found, pcm, warnings = heard(two(make_media, f"silent first.{kind}", SILENCE, speech(make_media)))
    assert found.track == 1
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)
    assert warnings == ["other_tracks"]
    assert not found.is_playable


def test_the_track_that_is_flagged_as_default_is_taken(make_media: MakeMedia) -> None:
    flagged = ("-disposition:a:0", "0", "-disposition:a:1", "default")
    music = ("-f", "lavfi", "-i", "sine=duration=9")
    assert heard(two(make_media, "flagged.mkv", music, speech(make_media), *flagged))[0].track == 1


@pytest.mark.parametrize(
    ("kind", "aside"),
    [
        ("mkv", ("-disposition:a:0", "visual_impaired")),
        ("mkv", ("-disposition:a:0", "comment")),
        ("mkv", ("-disposition:a:0", "0", "-metadata:s:a:0", "title=Director’s Commentary")),
        ("ts", ("-disposition:a:0", "visual_impaired+descriptions")),
    ],
)
def test_a_track_that_comments_on_another_yields_to_it(
    kind: str, aside: tuple[str, ...], make_media: MakeMedia
) -> None:
    plain = ("-disposition:a:1", "0")
    path = two(make_media, f"aside.{kind}", speech(make_media), speech(make_media), *plain, *aside)
    assert heard(path)[0].track == 1
    assert heard(path, track=0)[0].track == 0


def test_of_silent_tracks_the_first_is_taken(make_media: MakeMedia) -> None:
    assert heard(two(make_media, "silence.mkv", SILENCE, SILENCE))[0].track == 0


def test_speech_is_found_in_the_last_of_six_tracks(make_media: MakeMedia) -> None:
    maps = [value for index in range(6) for value in ("-map", f"{index}:a")]
    path = make_media("six.mkv", *SILENCE * 5, *speech(make_media), *maps, "-c:a", "flac")
    assert heard(path)[0].track == 5


def test_a_long_silence_is_no_reason_to_take_another_track(make_media: MakeMedia) -> None:
    late = ("-f", "lavfi", "-i", "aevalsrc='0.5*sin(2*PI*1000*t)*gt(t,40)':s=16000:d=42")
    assert heard(two(make_media, "late.mkv", late, speech(make_media)))[0].track == 0


def test_another_track_can_be_chosen_but_none_that_is_not_there(make_media: MakeMedia) -> None:
    path = two(make_media, "silent first.mkv", SILENCE, speech(make_media))
    assert heard(path, track=0)[0].track == 0
    assert onsets(heard(path, track=0)[1]) == []
    for index in (2, -1, 10**30):
        with pytest.raises(MediaError) as refusal:
            media.probe(path, 60, 60, index)
        assert refusal.value.code == "no_such_track"
    with pytest.raises(MediaError, match="no_such_track"):
        list(media.decode(path, "matroska,webm", 60, 2))


def test_tracks_are_named_as_the_file_names_them(make_media: MakeMedia) -> None:
    named = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:a:1", "title=Regie")
    found, _pcm, _warnings = heard(two(make_media, "named.mkv", speech(make_media), SILENCE, *named, "-ac:a:1", "2"))
    assert found.tracks == (
        AudioTrack(0, "aac", 1, "eng", "", is_default=True),
        AudioTrack(1, "aac", 2, "ger", "Regie", is_default=False),
    )


def test_a_title_is_text_and_no_track(make_media: MakeMedia) -> None:
    forged = "x\n  Stream #0:7: Audio: aac, 48000 Hz, stereo (default)"
    found, _pcm, warnings = heard(make_media("forged.mkv", *speech(make_media), "-metadata:s:a:0", f"title={forged}"))
    assert len(found.tracks) == 1
    assert warnings == []


def channels(make: MakeMedia, name: str, *expressions: str) -> Path:
    return make(name, "-f", "lavfi", "-i", f"aevalsrc='{'|'.join(expressions)}':d=9:s=16000")


TONE = "0.5*sin(2*PI*500*t)*gt(mod(t,1.5),1)"


@pytest.mark.parametrize("place", [0, 3, 9])
def test_one_of_ten_channels_without_a_layout_is_heard(place: int, make_media: MakeMedia) -> None:
    mono = [f"[{index}]" for index in range(10)]
    sources = [
        value for index in range(10) for value in (("-i", str(tones(make_media))) if index == place else SILENCE)
    ]
    merge = f"{''.join(mono)}amerge=inputs=10"
    path = make_media(f"ten {place}.wav", *sources, "-filter_complex", merge, "-c:a", "pcm_s16le", "-ar", "8000")
    found, pcm, _warnings = heard(path)
    assert found.tracks[0].channels == 10
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)


PLACES = {
    "low frequencies": (0x3F, 3),
    "low frequencies beside a centre": (0xC, 1),
    "left beside a centre": (0x5, 0),
    "the left of the back": (0x30, 0),
    "a back beside the front": (0x1F, 4),
    "above the front": (0x500F, 4),
    "above the back": (0x2D033, 7),
}
"""WAVE's mask of places, and which of these channels somebody speaks in."""


@pytest.mark.parametrize("name", PLACES)
def test_who_speaks_in_one_channel_is_heard_wherever_it_is_meant_to_sound(
    name: str, tmp_path: Path, make_media: MakeMedia
) -> None:
    mask, place = PLACES[name]
    samples = np.frombuffer(tones(make_media).read_bytes()[-18 * 48_000 :], "<i2")
    channels = np.zeros((len(samples), mask.bit_count()), "<i2")
    channels[:, place] = samples
    count, kind = mask.bit_count(), bytes.fromhex("0100000000001000800000aa00389b71")
    form = struct.pack("<HHIIHHHHI", 0xFFFE, count, 48_000, 96_000 * count, 2 * count, 16, 22, 16, mask) + kind
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", channels.nbytes)
    size = struct.pack("<I", len(chunks) + channels.nbytes)
    (tmp_path / "placed.wav").write_bytes(b"RIFF" + size + chunks + channels.tobytes())
    _found, pcm, warnings = heard(tmp_path / "placed.wav")
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)
    assert warnings == []


@pytest.mark.parametrize("name", ["inverted.flac", "inverted.m4a"])
def test_channels_that_cancel_out_are_noticed_and_one_is_taken(name: str, make_media: MakeMedia) -> None:
    _found, pcm, warnings = heard(channels(make_media, name, TONE, f"-0.95*{TONE}"))
    assert onsets(pcm) == pytest.approx(TONES, abs=0.05)
    assert warnings == ["channels_cancel"]


@pytest.mark.parametrize(
    "sides",
    [
        (TONE, f"{TONE}*(1-2*gt(t,4))"),
        (f"0.1*{TONE}+0.025", f"-0.1*{TONE}+0.025"),
        (f"0.2*{TONE}+0.02*random(0)-0.01", f"-0.2*{TONE}+0.02*random(1)-0.01"),
    ],
    ids=["in a part", "with an offset", "in noise"],
)
def test_channels_that_cancel_out_are_noticed(sides: tuple[str, str], make_media: MakeMedia) -> None:
    _found, pcm, warnings = heard(channels(make_media, "cancels.wav", *sides))
    assert onsets(pcm) == pytest.approx(TONES, abs=0.1)
    assert warnings == ["channels_cancel"]


@pytest.mark.parametrize("noise", [0.001, 0.2])
def test_who_speaks_on_one_side_after_sides_that_cancelled_out_is_heard(noise: float, make_media: MakeMedia) -> None:
    hum = f"{noise}*sin(2*PI*300*t)*lt(t,3)"
    _found, pcm, _warnings = heard(channels(make_media, f"hum {noise}.wav", hum, f"-{hum}+{TONE}*gt(t,3)"))
    assert [onset for onset in onsets(pcm) if onset > 3] == pytest.approx(TONES[2:], abs=0.05)


@pytest.mark.parametrize("sides", [(TONE, "0"), ("0", TONE), (TONE, TONE), ("0.4*random(0)-0.2", "0.4*random(1)-0.2")])
def test_a_call_with_a_silent_side_and_wide_sound_are_mixed(sides: tuple[str, str], make_media: MakeMedia) -> None:
    path = channels(make_media, "stereo.wav", *sides)
    _found, pcm, warnings = heard(path)
    assert warnings == []
    mixed = make_media("mixed.wav", "-i", str(path), "-ac", "1").read_bytes()[-len(pcm) :]
    assert onsets(pcm) == onsets(mixed)

"""What programs send sounds the same at 16 kHz."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from transcription.live.audio import RATES, Decoder
from transcription.live.turns import TurnDetection, TurnDetector
from transcription.media import find_ffmpeg

OUTPUT = {"audio/pcm": "s16le", "audio/pcmu": "mulaw", "audio/pcma": "alaw"}


def converted(path: Path, rate: int, format: str) -> bytes:
    command = [find_ffmpeg(), "-v", "error", "-i", str(path), "-ac", "1", "-ar", str(rate), "-f", format, "pipe:1"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize("format", OUTPUT)
def test_each_format_gives_the_sound_that_ffmpeg_gives(fox: Path, format: str) -> None:
    sent = converted(fox, RATES[format], OUTPUT[format])
    decoded = Decoder(format).decode(sent).astype(float)
    direct = np.frombuffer(converted(fox, 16_000, "s16le"), dtype="<i2").astype(float)
    spectra = [np.abs(np.fft.rfft(sound[8000:40_000]))[200:5000] for sound in (decoded, direct)]
    assert abs(len(decoded) - len(direct)) < 50
    assert np.corrcoef(spectra[0], spectra[1])[0, 1] > 0.98


def test_pieces_of_any_length_give_the_same_samples(fox: Path) -> None:
    sent = converted(fox, 24_000, "s16le")
    decoder, pieces = Decoder("audio/pcm"), [0, 2, 4, 1000, 1002, 9000, len(sent)]
    parts = [decoder.decode(sent[a:b]) for a, b in pairwise(pieces)]
    assert np.array_equal(np.concatenate(parts), Decoder("audio/pcm").decode(sent))


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="even number"):
        Decoder("audio/pcm").decode(b"abc")


def test_a_turn_begins_with_a_voice_and_ends_with_a_pause_and_a_quiet_hum_is_none(fox: Path) -> None:
    said = np.frombuffer(converted(fox, 16_000, "s16le"), dtype="<i2")
    noise = np.random.default_rng(1).normal(0, 20, 16_000 * 4).astype(np.int16)
    detector = TurnDetector(TurnDetection(silence_duration_ms=500))
    stream = np.concatenate([noise, said, noise])
    edges = [edge for at in range(0, len(stream), 1600) for edge in detector.feed(stream[at : at + 1600])]
    assert [edge.begins for edge in edges] == [True, False]
    assert 3.4 < edges[0].sample / 16_000 < 4.6
    assert 6.4 < edges[1].sample / 16_000 < 8.2

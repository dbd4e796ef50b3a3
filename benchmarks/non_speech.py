"""How sure is the voice detector that somebody speaks? `python -m benchmarks.non_speech`

Every clip of pytest-audioeval and every one that `SPEECH` names, at several levels and in several noises, and a minute
each of what is no speech. docs/engine.md keeps the figures; `transcription.engine.non_speech` has the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.agreement import package_clips
from benchmarks.speech import clips, pcm
from benchmarks.table import machine, print_table
from transcription.engine.non_speech import RUN, NonSpeechFinder
from transcription.engine.types import SAMPLE_RATE

Sound = NDArray[np.float64]
SECONDS = 60
FORMANTS = 30
"""Cepstral coefficients that keep a voice's vowels and drop its pitch."""


def main() -> None:
    chance = np.random.default_rng(0)
    paths = dict.fromkeys([*package_clips(), *(clip.path for clip in clips())])
    said = [np.frombuffer(pcm(path), dtype="<i2").astype(np.float64) for path in paths]
    print(machine())
    head = ["speech", "clips", "least", "a tenth below", "median"]
    print_table("Highest mean over 0.26 s, by clip", head, [_speech_row(*row) for row in _speech(said, chance)])
    rows = [[name, f"{_highest(sound):.3f}"] for name, sound in _noises(chance).items()]
    print_table(f"The same in {SECONDS} s of what is no speech", ["sound", "highest"], rows)


def _speech(said: Sequence[Sound], chance: np.random.Generator) -> list[tuple[str, list[Sound]]]:
    def white(sound: Sound) -> Sound:
        return chance.normal(0, 1, len(sound))

    def noisy(ratio: float) -> list[Sound]:
        return [_over(sound, white(sound), ratio) for sound in said]

    levels = [(f"peak at {-level} dBFS", [_peak(sound, level) for sound in said]) for level in (0, 40, 60, 70)]
    noises = [(f"in white noise, {ratio} dB", noisy(ratio)) for ratio in (10, 0, -5)]
    faint = ("peak at -40 dBFS in white noise, 10 dB", [_peak(sound, 40) for sound in noisy(10)])
    tones = [(f"over tones, {ratio} dB", [_over(s, _tones(len(s)), ratio) for s in said]) for ratio in (0, -10)]
    whispered = ("whispered", [_voiced(sound, white(sound)) for sound in said])
    sung = [(f"sung at {pitch} Hz", [_voiced(s, _sawtooth(len(s), pitch)) for s in said]) for pitch in (220, 440)]
    return [*levels, *noises, faint, *tones, whispered, *sung]


def _noises(chance: np.random.Generator) -> dict[str, Sound]:
    length = SECONDS * SAMPLE_RATE
    time = np.arange(length) / SAMPLE_RATE
    spectrum = np.fft.rfft(chance.normal(0, 1, length))
    pink = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), length)
    siren = np.sin(2 * np.pi * np.cumsum(200 + 150 * np.sin(np.pi * time)) / SAMPLE_RATE)
    hum = np.sum([np.sin(2 * np.pi * 50 * n * time) / n for n in range(1, 8)], axis=0)
    white = {f"white noise, {level}": chance.normal(0, level, length) for level in (3, 300, 3000)}
    return white | {
        "silence": np.zeros(length),
        "pink noise, 30": pink * 30 / _power(pink),
        "pink noise, 3000": pink * 3000 / _power(pink),
        "four tones": 2000 * _tones(length),
        "a siren": 3000 * siren,
        "mains hum": 1000 * hum,
        "noise, three tenths of each second": chance.normal(0, 2000, length) * (time % 1 < 0.3),
    }


def _speech_row(name: str, sounds: list[Sound]) -> list[str]:
    highest = sorted(_highest(sound) for sound in sounds)
    figures = (highest[0], highest[len(highest) // 10], highest[len(highest) // 2])
    return [name, str(len(sounds)), *(f"{figure:.3f}" for figure in figures)]


def _highest(sound: Sound) -> float:
    finder = NonSpeechFinder()
    finder.feed(np.round(sound).clip(-32768, 32767).astype(np.int16))
    return float(np.convolve(finder.probabilities, np.full(RUN, 1 / RUN), "valid").max())


def _power(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound**2)))


def _peak(sound: Sound, level: float) -> Sound:
    scaled: Sound = sound / np.abs(sound).max() * 32767 * 10 ** (-level / 20)
    return scaled


def _over(sound: Sound, other: Sound, ratio: float) -> Sound:
    return sound + other * _power(sound) / _power(other) * 10 ** (-ratio / 20)


def _tones(length: int) -> Sound:
    time = np.arange(length) / SAMPLE_RATE
    chord = np.sum([np.sin(2 * np.pi * hertz * time) for hertz in (220, 277, 330, 440)], axis=0)
    swelling: Sound = chord * (1 + np.sin(4 * np.pi * time)) / 2
    return swelling


def _sawtooth(length: int, pitch: float) -> Sound:
    """A melody with vibrato."""
    time = np.arange(length) / SAMPLE_RATE
    notes = np.array([0, 2, 4, 5, 7, 5, 4, 2])[(time * 1.5).astype(int) % 8]
    vibrato = 1 + 0.01 * np.sin(2 * np.pi * 5.5 * time)
    phase: Sound = np.cumsum(pitch * 2 ** (notes / 12) * vibrato / SAMPLE_RATE) % 1
    return 2 * phase - 1


def _voiced(sound: Sound, source: Sound, size: int = 512) -> Sound:
    """The vowels of a voice with another source than its own: noise whispers, a melody sings."""
    shape, spoken = np.hanning(size), np.zeros(len(sound))
    for at in range(0, len(sound) - size, size // 4):
        part = slice(at, at + size)
        cepstrum = np.fft.irfft(np.log(np.abs(np.fft.rfft(sound[part] * shape)) + 1e-3))
        cepstrum[FORMANTS:-FORMANTS] = 0
        driven = np.fft.rfft(source[part] * shape)
        spoken[part] += np.fft.irfft(np.exp(np.fft.rfft(cepstrum).real) * driven / np.abs(driven).mean()) * shape
    return _peak(spoken, 12)


if __name__ == "__main__":
    main()

"""What the callers send: speech of people, mixed anew for every recording, so that no two are alike."""

from __future__ import annotations

import importlib.util
import random
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transcription.engine.audio import read_media
from transcription.engine.types import SAMPLE_RATE

Samples = NDArray[np.int16]

KILLS_ITS_JOB = 12_345
KILLS_ITS_ENGINE = 23_456
MARK_SAMPLES = 64


@dataclass(frozen=True)
class Made:
    """A recording on this machine's disk; `poison` is the mark it carries, or 0."""

    number: int
    file: Path
    seconds: float
    poison: int = 0


def make(seed: int, number: int, folder: Path, longest: float) -> Made:
    """Recording `number` of a run: the same for the same seed."""
    chance = random.Random(f"{seed}/recording/{number}")
    seconds = min(longest, chance.choice(((3, 12), (3, 12), (15, 45), (40, 90), (70, 150)))[0] * chance.uniform(1, 2.1))
    return _written(number, folder, _mixed(chance, seconds))


def make_of(seed: int, number: int, folder: Path, seconds: float) -> Made:
    return _written(number, folder, _mixed(random.Random(f"{seed}/{number}"), seconds))


def make_poison(seed: int, number: int, folder: Path, mark: int) -> Made:
    """A short recording that begins with a mark: it reaches the engine in one window, the mark in front."""
    samples = _mixed(random.Random(f"{seed}/poison/{number}"), 8.0)
    samples[:MARK_SAMPLES] = mark
    return _written(number, folder, samples, mark)


def is_marked(samples: Samples, mark: int) -> bool:
    return bool(len(samples) >= MARK_SAMPLES and (samples[:MARK_SAMPLES] == mark).all())


def _mixed(chance: random.Random, seconds: float) -> Samples:
    """Clips in random order and loudness, with pauses, some of them long enough to end a window."""
    parts: list[Samples] = []
    length = 0
    while length < seconds * SAMPLE_RATE:
        clip = (chance.choice(_clips()) * chance.uniform(0.5, 1.0)).astype(np.int16)
        pause = np.zeros(int(SAMPLE_RATE * chance.choice((0.3, 0.8, 1.5, 6.0))), dtype=np.int16)
        parts += [clip, pause]
        length += len(clip) + len(pause)
    return np.concatenate(parts)[: int(seconds * SAMPLE_RATE)].copy()


@cache
def _clips() -> tuple[Samples, ...]:
    spec = importlib.util.find_spec("pytest_audioeval")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "samples" / "audio"
    files = sorted(folder.glob("*/*.wav"))
    return tuple(np.frombuffer(b"".join(read_media(file)), dtype="<i2") for file in files)


def _written(number: int, folder: Path, samples: Samples, poison: int = 0) -> Made:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{number:04}.wav"
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(samples.tobytes())
    return Made(number, file, len(samples) / SAMPLE_RATE, poison)

"""Sound whose place in time can be measured: a tone of half a second at 1.0, 2.5, 4.0 … seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.conftest import MakeMedia
from transcription import media
from transcription.media import Probe

LOUD = 1000
PAUSE_SAMPLES = 4000
TONES = (1.0, 2.5, 4.0, 5.5, 7.0, 8.5)


def tones(make: MakeMedia, seconds: float = 9) -> Path:
    source = f"aevalsrc='0.5*sin(2*PI*1000*t)*gt(mod(t,1.5),1)':s=48000:d={seconds}"
    return make(f"tones-{seconds}.wav", "-f", "lavfi", "-i", source)


def onsets(pcm: bytes) -> list[float]:
    """The seconds at which it becomes loud after a pause."""
    loud = np.flatnonzero(np.abs(np.frombuffer(pcm, dtype="<i2").astype(int)) > LOUD)
    first = np.diff(loud, prepend=-2 * PAUSE_SAMPLES) > PAUSE_SAMPLES
    return [float(at) for at in loud[first] / media.SAMPLE_RATE]


def heard(path: Path, longest: float = 36_000, track: int | None = None) -> tuple[Probe, bytes, list[str]]:
    """What the probe says of a file, its whole sound, and the warnings that came with it."""
    found, warnings = media.probe(path, longest, longest, track), list[str]()
    pcm = b"".join(media.decode(path, found.format, longest, found.track, warnings.append))
    assert found.pcm in (b"", pcm)
    return found, pcm, warnings

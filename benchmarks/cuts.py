"""What do windows that overlap where a recording is cut without a pause gain? `python -m benchmarks.cuts`

Word errors of fast mode with and without them, in turns, the share of certain speech without text, and
the engine's CPU time with them against that without: of read speech as it is, without its pauses, and without pauses
over other voices. docs/engine.md keeps what was measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks import wer
from benchmarks.agreement import package_clips
from benchmarks.contestants.ours import engine
from benchmarks.lost_speech import lost_speech
from benchmarks.short_context import cpu_seconds
from benchmarks.speech import Clip, Sound, clips, joined, pcm
from benchmarks.table import machine, print_table
from transcription.engine import cutter
from transcription.engine.client import EngineClient
from transcription.engine.modes import transcribe
from transcription.engine.types import DecodeOptions
from transcription.engine.vad import FRAME_SAMPLES, VoiceDetector
from transcription.engine.windows import fast_windows, whole_frames

LONGEST_SILENCE_FRAMES = 3
SECOND_VOICE_DECIBELS = -8.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--words", action="store_true", help="with word times")
    arguments = parser.parse_args()
    options = DecodeOptions("base", language="en", word_timestamps=arguments.words)
    print(machine())
    rows = []
    with engine() as client:
        for name, sounds in _sets(clips(), arguments.files, arguments.seconds):
            rows.append(_row(client, name, sounds, options))
            print(rows[-1])
    head = ["speech", "minutes", "cuts without a pause", "WER, no overlap", "WER, overlap", "overlap less none, 95 %"]
    print_table("Cuts without a pause", [*head, "lost, no overlap", "lost, overlap", "CPU time"], rows)


@dataclass(frozen=True)
class Heard:
    """What became of a recording: word errors, the seconds of lost and of certain speech, and the engine's CPU time."""

    errors: wer.Errors
    lost: float
    certain: float
    cpu_seconds: float


def _row(client: EngineClient, name: str, sounds: list[Sound], options: DecodeOptions) -> list[str]:
    before, after = [], []
    for sound in sounds:
        with patch.object(cutter, "_overlapping", lambda _probabilities, end: cutter._Cut(end)):
            before.append(_heard(client, sound, options))
        after.append(_heard(client, sound, options))
    cuts = sum(window.overlap > 0 for sound in sounds for window in fast_windows([sound.pcm]))
    errors = [[one.errors for one in heard] for heard in (before, after)]
    low, high = wer.difference(errors[1], errors[0])
    lost = [sum(one.lost for one in heard) / sum(one.certain for one in heard) for heard in (before, after)]
    spent = [sum(one.cpu_seconds for one in heard) for heard in (before, after)]
    return [
        *(name, f"{sum(sound.seconds for sound in sounds) / 60:.1f}", str(cuts)),
        *(f"{wer.rate(some):.2%}" for some in errors),
        f"{low:+.2%} to {high:+.2%}",
        *(f"{share:.2%}" for share in lost),
        f"{spent[1] / spent[0]:.2f}",
    ]


def _heard(client: EngineClient, sound: Sound, options: DecodeOptions) -> Heard:
    began = cpu_seconds(client)
    segments = [segment for result in transcribe(client, [sound.pcm], options, "fast") for segment in result.segments]
    spent = cpu_seconds(client) - began
    errors = wer.errors(sound.text, "".join(segment.text for segment in segments))
    return Heard(errors, *lost_speech(sound.pcm, [(segment.start, segment.end) for segment in segments]), spent)


def _sets(parts: list[Clip], files: int, seconds: float) -> Iterator[tuple[str, list[Sound]]]:
    starts = [at * len(parts) // files for at in range(files)]
    read = [joined([*parts[start:], *parts[:start]], seconds) for start in starts]
    yield "read", read
    breathless = [Sound(_without_pauses(sound.pcm), sound.text) for sound in read]
    yield "without pauses", breathless
    other = np.frombuffer(_without_pauses(b"".join(pcm(path) for path in package_clips())), dtype="<i2")
    yield (
        "without pauses, over other voices",
        [_over(sound, np.roll(other, -at)) for at, sound in enumerate(breathless)],
    )


def _without_pauses(data: bytes) -> bytes:
    """Shortens each silence to 0.1 s."""
    samples = whole_frames(np.frombuffer(data, dtype="<i2"), FRAME_SAMPLES)
    run, kept = 0, []
    for probability in VoiceDetector().probabilities(samples):
        run = run + 1 if probability < cutter.SILENCE_PROBABILITY else 0
        kept.append(run <= LONGEST_SILENCE_FRAMES)
    return bytes(samples.reshape(-1, FRAME_SAMPLES)[np.array(kept)].tobytes())


def _over(sound: Sound, other: NDArray[np.int16]) -> Sound:
    samples = np.frombuffer(sound.pcm, dtype="<i2").astype(np.float64)
    second = np.resize(other, len(samples)).astype(np.float64)
    second *= np.sqrt(np.mean(samples**2) / np.mean(second**2)) * 10 ** (SECOND_VOICE_DECIBELS / 20)
    return Sound(np.clip(np.rint(samples + second), -32768, 32767).astype("<i2").tobytes(), sound.text)


if __name__ == "__main__":
    main()

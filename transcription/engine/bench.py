"""How fast an engine is: one long recording, many short clips at once, one clip alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from transcription.engine.client import EngineClient
from transcription.engine.modes import transcribe
from transcription.engine.types import MODES, SAMPLE_RATE, DecodeOptions, Mode, WindowResult

CLIPS_AT_ONCE = 8


def report(client: EngineClient, clips: Sequence[bytes], options: DecodeOptions, repeats: int) -> None:
    """Prints the median and spread of each measurement.

    clips: mono s16le at 16 kHz. The long recording is all of them in a row; the crowd is the first
    eight; the clip alone is the one nearest to five seconds.
    """
    alone = min(clips, key=lambda clip: abs(_seconds(clip) - 5.0))
    crowd = clips[:CLIPS_AT_ONCE]

    def one(clip: bytes, mode: Mode = "exact") -> list[WindowResult]:
        return list(transcribe(client, [clip], options, mode))

    def together() -> None:
        with ThreadPoolExecutor(len(crowd)) as pool:
            list(pool.map(one, crowd))

    one(alone)
    long = b"".join(clips)
    for mode in MODES:
        _print(f"long recording, {mode}", _seconds(long), repeats, partial(one, long, mode))
    _print(f"{len(crowd)} clips at once", _seconds(b"".join(crowd)), repeats, together)
    _print("one clip alone", _seconds(alone), repeats * 3, lambda: one(alone))
    status = client.status()
    print(f"{status.backend} {status.compute_type} on {status.device}: "
          f"{status.memory_used_mib:.0f} MiB resident")  # fmt: skip


def _print(what: str, audio: float, repeats: int, work: Callable[[], object]) -> None:
    times = sorted(_timed(work) for _ in range(repeats))
    median = statistics.median(times)
    print(f"{what:22} {audio:7.1f} s of audio in {median:6.2f} s "
          f"({times[0]:.2f} to {times[-1]:.2f}): {audio / median:5.1f} x real time", flush=True)  # fmt: skip


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _seconds(pcm: bytes) -> float:
    return len(pcm) / 2 / SAMPLE_RATE

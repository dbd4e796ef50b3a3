"""A short clip while long recordings keep the engine busy, against the same clip alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.contestants.ours import Way, engine, ours
from benchmarks.settings import Settings
from benchmarks.speech import clips, joined, pcm
from benchmarks.table import print_table
from transcription.engine.client import EngineClient

CLIP_SECONDS = 5.0
LONG_RECORDINGS = 4
ROUNDS = 10


def measure(settings: Settings) -> None:
    """Print percentiles of the clip's time, ten rounds a turn each way, in turns of ten."""
    spoken = clips()
    clip = pcm(min(spoken, key=lambda clip: abs(clip.seconds - CLIP_SECONDS)).path)
    long = joined(spoken, 600.0)
    rows = []
    engines = {
        "the default": engine(model=settings.model),
        "on CTranslate2": engine("ctranslate2", model=settings.model),
        "torch": engine("torch", model=settings.model),
    }
    for name, opened in engines.items():
        with opened as client:
            short = ours(client, "exact", "interactive", settings.model)
            short([clip])
            alone, busy = [], []
            for _ in range(settings.repeats):
                alone += _times(short, clip)
                with _kept_busy(client, long.pcm, settings.model):
                    busy += _times(short, clip)
            rows.append(_row(name, sorted(alone), sorted(busy)))
    title = f"A clip of {len(clip) / 32_000:.1f} s while {LONG_RECORDINGS} long recordings fill the engine"
    print_table(
        title, ["", "alone, p50", "alone, p95", "under load, p50", "under load, p95", "p95 against alone"], rows
    )


def _times(way: Way, clip: bytes) -> list[float]:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        way([clip])
        times.append(time.perf_counter() - began)
        time.sleep(0.2)
    return times


@contextmanager
def _kept_busy(client: EngineClient, long: bytes, model: str) -> Iterator[None]:
    """Two recordings in each mode, over and over."""
    over = threading.Event()

    def work(way: Way) -> None:
        while not over.is_set():
            way([long[: 32_000 * 60]])

    threads = [
        threading.Thread(target=work, args=(ours(client, "exact" if number % 2 else "fast", "bulk", model),))
        for number in range(LONG_RECORDINGS)
    ]
    for thread in threads:
        thread.start()
    time.sleep(3)
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _row(name: str, alone: list[float], busy: list[float]) -> list[str]:
    figures = [_percentile(alone, 50), _percentile(alone, 95), _percentile(busy, 50), _percentile(busy, 95)]
    return [name, *(f"{figure:.2f} s" for figure in figures), f"{figures[3] / figures[1]:.2f}"]


def _percentile(ordered: list[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]

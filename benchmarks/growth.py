"""1, 4, 16 and 64 recordings at once: speed, and what a window costs the host beside the model."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.contestants.ours import engine, ours
from benchmarks.settings import Settings
from benchmarks.speech import clips, joined
from benchmarks.table import print_table
from benchmarks.weightless import Caller, WeightlessBackend
from transcription.engine.models import Models
from transcription.engine.request_queue import RequestQueue
from transcription.engine.scheduler import Scheduler

AT_ONCE = (1, 4, 16, 64)
RECORDING_SECONDS = 20.0
WINDOWS = 32


def measure(settings: Settings) -> None:
    """Print one table: the real engine, and the processor's time of both loops with a model that takes none."""
    parts = clips()
    recordings = [joined(parts[at % 8 :], RECORDING_SECONDS).pcm for at in range(max(AT_ONCE))]
    rows = []
    with engine(model=settings.model) as client:
        way = ours(client, "exact", model=settings.model)
        way(recordings[:2])
        for count in AT_ONCE:
            times = []
            for _ in range(settings.repeats if count < max(AT_ONCE) else 1):
                began = time.perf_counter()
                way(recordings[:count])
                times.append(time.perf_counter() - began)
            seconds = sum(len(pcm) / 32_000 for pcm in recordings[:count])
            speed = seconds / sorted(times)[len(times) // 2]
            rows.append([str(count), f"{speed:.1f}", *(f"{host_milliseconds(count, n):.2f} ms" for n in (2, 0))])
    head = ["recordings", "× real time", "host time a window, batches", "host time a window, slots"]
    print_table("Recordings at once, exact mode", head, rows)


def host_milliseconds(recordings: int, workers: int) -> float:
    """Processor time that the scheduler takes for a window, of so many recordings with 32 windows each."""
    backend = WeightlessBackend(workers=workers, slots=16, steps=1)
    queue = RequestQueue()
    models = Models(backend, queue)
    models.weights = {"base": Path("base")}
    scheduler = Scheduler(backend, models, queue, 16, print)
    callers = [Caller() for _ in range(recordings)]
    began = time.process_time()
    scheduler.start({})
    for word in range(20, 20 + WINDOWS):
        for caller in callers:
            scheduler.queue.submit(caller.request(word))
    for caller in callers:
        caller.wait_for(WINDOWS)
    spent = time.process_time() - began
    scheduler.stop(5)
    return 1000 * spent / (recordings * WINDOWS)

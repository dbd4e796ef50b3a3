"""Measures which compute type and which split of the cores is fastest on this CPU, with the real weights."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

import ctranslate2
import numpy as np

from transcription.engine.ctranslate2_backend.replica import Plan

log = logging.getLogger(__name__)

SECONDS = 1.6
"""Nothing is loaded that would not be tried by then: what is known by then decides."""

CLEARLY = 1.15
"""How many times faster a rival must be: less may be noise."""

ROUNDS = 3
PROBE_FRAMES = 200
"""Of the spectrogram, 2 s: with its tokens about a fifteenth of a full window's work."""

PROBE_TOKENS = 7
START = "<|startoftranscript|>"

MOST_WORKERS = 4

Load = Callable[[Plan], Any]
Split = tuple[int, int]
"""Workers, and the threads of each."""


@dataclass
class Entrant:
    """A loaded plan with its figures, in seconds: the best of its probes, as noise only adds."""

    plan: Plan
    model: Any
    load_seconds: float
    alone: float = field(default=float("inf"))
    """Of one probe while nothing else runs."""
    crowded: float = field(default=float("inf"))
    """For each probe where every worker has one."""

    @property
    def score(self) -> float:
        """A lone clip and a full engine count the same."""
        return math.sqrt(self.alone * self.crowded)

    def probe(self, mel: ctranslate2.StorageView) -> None:
        workers = self.plan.workers
        self.alone = min(self.alone, _seconds(self.model, mel, 1))
        self.crowded = min(self.crowded, _seconds(self.model, mel, workers) if workers > 1 else self.alone)

    def __str__(self) -> str:
        if self.alone == float("inf"):
            return f"{self.plan}: no time to try others"
        return f"{self.plan}: {self.alone * 1000:.0f}/{self.crowded * 1000:.0f}"


def splits(cores: int) -> list[Split]:
    """Ways to share the cores out, the likeliest first.

    Several workers first: side by side they use the cores fully, while a second thread costs encoding a tenth
    and helps decoding little. A lone window is given the replica with all threads.
    """
    workers = min(cores, MOST_WORKERS)
    return [(workers, cores // workers), (1, cores)]


def choose(load: Load, ways: list[Split], supported: Collection[str], beside: bool = False) -> tuple[Plan, Any]:
    """The fastest plan, and the model loaded for it; the first way with int8 where nothing is clearly faster.

    beside: whether as many may encode beside those that decode.
    bfloat16 is left out: it turns more near ties than float16 does.
    """
    begin = time.monotonic()
    best = _entrant(load, first_plan(ways, supported, beside))
    met = [best]
    mel = _noise(best.model.n_mels)
    workers, threads = ways[-1]
    other_way = {"workers": workers, "threads": threads, "encoders": workers if beside else 0}
    changes: list[dict[str, Any]] = [{"compute_type": "float32"}, other_way]
    for change in changes:
        plan = replace(best.plan, **change)
        if plan in [entrant.plan for entrant in met] or begin + SECONDS - time.monotonic() < 2 * best.load_seconds:
            continue
        rival = _entrant(load, plan)
        met.append(rival)
        _compete(best, rival, mel, begin + SECONDS)
        best = rival if rival.score * CLEARLY < best.score else best
    took = time.monotonic() - begin
    log.info("runs %s, chosen in %.1f s (ms a probe, alone/crowded: %s)", best.plan, took, ", ".join(map(str, met)))
    return best.plan, best.model


def first_plan(ways: list[Split], supported: Collection[str], beside: bool) -> Plan:
    """What to run where nothing was tried."""
    workers, threads = ways[0]
    return Plan("int8" if "int8" in supported else "float32", workers, threads, workers if beside else 0)


def _entrant(load: Load, plan: Plan) -> Entrant:
    begin = time.monotonic()
    model = load(plan)
    return Entrant(plan, model, time.monotonic() - begin)


def _compete(one: Entrant, other: Entrant, mel: ctranslate2.StorageView, deadline: float) -> None:
    """In turns, so that whatever else the machine does hits both; the first turn warms up."""
    for entrant in (one, other):
        _seconds(entrant.model, mel, entrant.plan.workers)
    for _ in range(ROUNDS):
        for entrant in (one, other):
            entrant.probe(mel)
        if time.monotonic() > deadline:
            return


def _noise(n_mels: int) -> ctranslate2.StorageView:
    """(1, n_mels, PROBE_FRAMES), of a spectrogram's size."""
    mel = np.random.default_rng(0).normal(0.0, 0.3, (1, n_mels, PROBE_FRAMES))
    return ctranslate2.StorageView.from_array(mel.astype(np.float32))


def _seconds(model: Any, mel: ctranslate2.StorageView, calls: int) -> float:
    """For each of some calls made at once: encode noise, then decode so many tokens of it."""
    begin = time.perf_counter()
    options = {"asynchronous": True, "beam_size": 1, "max_length": 2 * PROBE_TOKENS}
    running = [model.generate(mel, [[START]], **options) for _ in range(calls)]
    for (result,) in running:
        result.result()
    return (time.perf_counter() - begin) / calls

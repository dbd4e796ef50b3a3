"""Decodes with a model that was just opened: a second of noise, to see that it works and how fast it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np

from transcription.engine.backend import Backend, BatchModel, Decoded, DeviceLost, StepModel, Work, grouped
from transcription.engine.types import SAMPLE_RATE, DecodeOptions, Window

AT_ONCE = 16
"""Windows in one call of a BatchModel."""


def probe_model(backend: Backend, model: BatchModel | StepModel, name: str) -> float:
    """Returns the seconds that the model takes for it. Raises whatever the model raises.

    On a GPU the second run counts: the first one compiles and loads kernels.
    """
    for _time in range(2 if backend.device == "cuda" else 1):
        began = time.monotonic()
        _decode_noise(backend, model, name)
    return time.monotonic() - began


def decode_all(backend: Backend, model: BatchModel | StepModel, works: Sequence[Work]) -> list[Decoded]:
    """Decodes encoded works whose languages are known, as many at once as the model takes.

    Raises whatever the model raises; none of them is under way then.
    """
    if backend.workers:
        return _in_batches(backend, cast("BatchModel", model), works)
    stepping = cast("StepModel", model)
    try:
        return _in_steps(stepping, works)
    except DeviceLost:
        raise
    except Exception:
        for work in works:
            stepping.evict(work)
        raise


def _decode_noise(backend: Backend, model: BatchModel | StepModel, name: str) -> None:
    noise = np.random.default_rng(0).normal(0, 1000, SAMPLE_RATE).astype(np.int16)
    work = Work(Window(0, 0.0, 1.0, noise), DecodeOptions(name))
    model.encode([work])
    model.detect([work])
    work.language = "en"  # base detects Korean and then samples 224 tokens, which takes 2.5 s
    decode_all(backend, model, [work])


def _in_batches(backend: Backend, model: BatchModel, works: Sequence[Work]) -> list[Decoded]:
    alike = grouped(works, model.batch_key)
    batches = [some[at : at + AT_ONCE] for some in alike for at in range(0, len(some), AT_ONCE)]
    with ThreadPoolExecutor(backend.workers) as pool:
        outcomes = zip(batches, pool.map(model.decode, batches), strict=True)
        found = {work: decoded for batch, some in outcomes for work, decoded in zip(batch, some, strict=True)}
    return [found[work] for work in works]


def _in_steps(model: StepModel, works: Sequence[Work]) -> list[Decoded]:
    waiting, found = list(works), dict[Work, Decoded]()
    while len(found) < len(works):
        entering: list[Work] = []
        for work in waiting:
            if model.room([*entering, work]):
                entering.append(work)
        if not entering and len(waiting) + len(found) == len(works):
            entering = waiting[:1]
        if entering:
            model.admit(entering)
            waiting = [work for work in waiting if work not in entering]
        model.step()
        for work, outcome in model.finished():
            if isinstance(outcome, Exception):
                raise outcome
            found[work] = outcome
    return [found[work] for work in works]

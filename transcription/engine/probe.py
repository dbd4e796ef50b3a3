"""A second of noise that must pass through a model before anyone's speech does."""

from __future__ import annotations

import time
from typing import cast

import numpy as np

from transcription.engine.backend import Backend, BatchModel, StepModel, Work
from transcription.engine.types import SAMPLE_RATE, DecodeOptions, Window


def probe_model(backend: Backend, model: BatchModel | StepModel, name: str) -> float:
    """Seconds that the model took. Raises whatever it raises.

    A GPU's first time goes into compiling and loading kernels, so there the second one counts.
    """
    for _time in range(1 if backend.device == "cpu" else 2):
        began = time.monotonic()
        _decode_noise(backend, model, name)
    return time.monotonic() - began


def _decode_noise(backend: Backend, model: BatchModel | StepModel, name: str) -> None:
    noise = np.random.default_rng(0).normal(0, 1000, SAMPLE_RATE).astype(np.int16)
    work = Work(Window(0, 0.0, 1.0, noise), DecodeOptions(name))
    model.encode([work])
    model.detect([work])
    work.language = "en"  # as Korean, which it is taken for, base finds 224 tokens in it: 2.5 s of every start
    if backend.workers:
        cast("BatchModel", model).decode([work])
        return
    stepping = cast("StepModel", model)
    stepping.admit([work])
    while not stepping.finished():
        stepping.step()

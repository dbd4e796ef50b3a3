"""Decodes a second of noise with a model that was just opened, to see that it works and how fast it is."""

from __future__ import annotations

import time
from typing import cast

import numpy as np

from transcription.engine.backend import Backend, BatchModel, StepModel, Work
from transcription.engine.types import SAMPLE_RATE, DecodeOptions, Window


def probe_model(backend: Backend, model: BatchModel | StepModel, name: str) -> float:
    """Returns the seconds that the model takes for it. Raises whatever the model raises.

    On a GPU the second run counts: the first one compiles and loads kernels.
    """
    for _time in range(2 if backend.device == "cuda" else 1):
        began = time.monotonic()
        _decode_noise(backend, model, name)
    return time.monotonic() - began


def _decode_noise(backend: Backend, model: BatchModel | StepModel, name: str) -> None:
    noise = np.random.default_rng(0).normal(0, 1000, SAMPLE_RATE).astype(np.int16)
    work = Work(Window(0, 0.0, 1.0, noise), DecodeOptions(name))
    model.encode([work])
    model.detect([work])
    work.language = "en"  # base detects Korean and then samples 224 tokens, which takes 2.5 s
    if backend.workers:
        cast("BatchModel", model).decode([work])
        return
    stepping = cast("StepModel", model)
    stepping.admit([work])
    while not (done := stepping.finished()):
        stepping.step()
    for _, outcome in done:
        if isinstance(outcome, Exception):
            raise outcome

"""The systems that `benchmarks.engine` compares, each as a function from recordings to texts.

Every one is given samples, not files, and decodes greedily; a recording's language is given.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel
from numpy.typing import NDArray
from whisper.model import Whisper

from benchmarks.whisper_base import base_folder
from transcription.engine.client import EngineClient
from transcription.engine.local import local_engine
from transcription.engine.modes import transcribe
from transcription.engine.types import DecodeOptions, Lane, Mode

Way = Callable[[Sequence[bytes]], list[str]]
"""Transcribes recordings that arrive at once, as PCM; their texts in order."""

ENGLISH = DecodeOptions("base", language="en")


@contextmanager
def engine(backend: str = "auto", batch_size: int = 0, threads: int = 0) -> Iterator[EngineClient]:
    """Our engine in a process of its own, as the service runs it."""
    options = argparse.Namespace(
        model="base",
        weights=base_folder().parents[1],
        backend=backend,
        remote_url="",
        device="cpu",
        batch_size=batch_size,
        threads=threads,
        cross_attention="keys_values",
        memory_limit_mib=0,
        mirror=[],
    )
    with local_engine(options) as client:
        yield client


@contextmanager
def without_openvino() -> Iterator[None]:
    """What starts meanwhile finds no OpenVINO: as on a machine for which there is no wheel of it."""
    before = os.environ.get("PYTHONPATH", "")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sitecustomize.py").write_text("import sys\n\nsys.modules['openvino'] = None\n")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (folder, before)))
        try:
            yield
        finally:
            os.environ["PYTHONPATH"] = before


def ours(client: EngineClient, mode: Mode, lane: Lane = "standard") -> Way:
    options = DecodeOptions("base", language="en", lane=lane)

    def one(pcm: bytes) -> str:
        results = transcribe(client, [pcm], options, mode)
        return "".join(segment.text for result in results for segment in result.segments).strip()

    return partial(at_once, one)


def openai_whisper(model: Whisper) -> Way:
    """One after the other: its model belongs to one call at a time."""
    return lambda recordings: [model.transcribe(_floats(pcm), language="en", fp16=False)["text"] for pcm in recordings]


def faster_whisper(workers: int, threads: int, batch: int | None = None) -> Way:
    """int8; with `batch`, its batched pipeline, which cuts at silences."""
    model = WhisperModel(str(base_folder()), "cpu", compute_type="int8", cpu_threads=threads, num_workers=workers)
    batched = BatchedInferencePipeline(model) if batch else None

    def one(pcm: bytes) -> str:
        audio = _floats(pcm)
        if batched and batch:
            segments, _ = batched.transcribe(audio, language="en", beam_size=1, batch_size=batch)
        else:
            segments, _ = model.transcribe(audio, language="en", beam_size=1)
        return "".join(segment.text for segment in segments).strip()

    return partial(at_once, one)


def at_once(one: Callable[[bytes], str], recordings: Sequence[bytes]) -> list[str]:
    with ThreadPoolExecutor(len(recordings)) as pool:
        return list(pool.map(one, recordings))


def _floats(pcm: bytes) -> NDArray[np.float32]:
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(32768.0)

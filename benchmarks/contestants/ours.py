"""Our engine: for the parts of `benchmarks.engine` that measure it alone, and as contestants."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.contestants.serve import Open, Said, Setting, System, said
from transcription.engine.client import EngineClient
from transcription.engine.local import local_engine
from transcription.engine.modes import transcribe
from transcription.engine.types import DecodeOptions, Lane, Mode

Way = Callable[[Sequence[bytes]], list[str]]
"""Transcribes recordings that arrive at once, as PCM; their texts in order."""

Heard = TypeVar("Heard")
FOLDER = Path(__file__).resolve().parents[2] / "var" / "models"


@contextmanager
def engine(
    backend: str = "auto", batch_size: int = 0, threads: int = 0, model: str = "base", weights: Path | None = None
) -> Iterator[EngineClient]:
    """Our engine in a process of its own, as the service runs it."""
    options = argparse.Namespace(
        model=model,
        weights=weights or os.environ.get("WHISPER_WEIGHTS", FOLDER),
        backend=backend,
        device="cpu",
        rung="auto",
        batch_size=batch_size,
        threads=threads,
        cross_attention="keys_values",
        memory_limit_mib=0,
        mirror=[],
        remote_url="",
    )
    with local_engine(options) as client:
        yield client


def ours(client: EngineClient, mode: Mode, lane: Lane = "standard", model: str = "base") -> Way:
    heard = partial(segments, client, mode, lane, model)
    return partial(_at_once, lambda pcm: "".join(each["text"] for each in heard(pcm)).strip())


def segments(client: EngineClient, mode: Mode, lane: Lane, model: str, pcm: bytes) -> list[Said]:
    """A recording's; English is given."""
    results = transcribe(client, [pcm], DecodeOptions(model, language="en", lane=lane), mode)
    return [said(each.start, each.end, each.text) for result in results for each in result.segments]


@contextmanager
def contestant(setting: Setting, mode: Mode, backend: str = "auto") -> Iterator[System]:
    """What `make run` chooses, or another backend."""
    with engine(backend, threads=0, model=setting.model, weights=setting.files.parents[1]) as client:

        def heard(recordings: Sequence[NDArray[np.int16]]) -> list[list[Said]]:
            one = partial(segments, client, mode, "standard", setting.model)
            return _at_once(one, [samples.tobytes() for samples in recordings])

        libraries = ["ctranslate2"] if backend == "ctranslate2" else ["openvino", "ctranslate2"]
        yield System(", ".join(filter(None, map(_installed, libraries))), heard)


def _installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


def _at_once(one: Callable[[bytes], Heard], recordings: Sequence[bytes]) -> list[Heard]:
    with ThreadPoolExecutor(len(recordings)) as pool:
        return list(pool.map(one, recordings))


OURS: dict[str, Open] = {
    "ours-fast": partial(contestant, mode="fast"),
    "ours-exact": partial(contestant, mode="exact"),
    "ours-fast-bare": partial(contestant, mode="fast", backend="ctranslate2"),
    "ours-exact-bare": partial(contestant, mode="exact", backend="ctranslate2"),
}

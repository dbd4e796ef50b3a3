"""Our engine: for the parts of `benchmarks.engine` that measure it alone, and as contestants."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
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
        batch_size=batch_size,
        threads=threads,
        cross_attention="keys_values",
        memory_limit_mib=0,
        mirror=[],
        remote_url="",
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


def ours(client: EngineClient, mode: Mode, lane: Lane = "standard", model: str = "base") -> Way:
    heard = partial(segments, client, mode, lane, model)
    return partial(_at_once, lambda pcm: "".join(each["text"] for each in heard(pcm)).strip())


def segments(client: EngineClient, mode: Mode, lane: Lane, model: str, pcm: bytes) -> list[Said]:
    """A recording's; English is given."""
    results = transcribe(client, [pcm], DecodeOptions(model, language="en", lane=lane), mode)
    return [said(each.start, each.end, each.text) for result in results for each in result.segments]


@contextmanager
def contestant(setting: Setting, mode: Mode, bare: bool = False) -> Iterator[System]:
    """What `make run` chooses; or `bare`: CTranslate2 without OpenVINO."""
    with ExitStack() as stack:
        if bare:
            stack.enter_context(without_openvino())
        client = stack.enter_context(engine("auto", threads=0, model=setting.model, weights=setting.files.parents[1]))

        def heard(recordings: Sequence[NDArray[np.int16]]) -> list[list[Said]]:
            one = partial(segments, client, mode, "standard", setting.model)
            return _at_once(one, [samples.tobytes() for samples in recordings])

        libraries = ["ctranslate2", *([] if bare else ["openvino"])]
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
    "ours-fast-bare": partial(contestant, mode="fast", bare=True),
    "ours-exact-bare": partial(contestant, mode="exact", bare=True),
}

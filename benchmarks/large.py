"""What a model takes of a CPU's memory whose weights can't be had: made ones have its true dimensions.

`python -m benchmarks.large --model large-v3 --backends openvino ctranslate2` writes a checkpoint with random weights
and base's tokens, serves it, and has a window of noise decoded; texts and times say nothing. It needs twice the
model's megabytes on the disk that TMPDIR is on.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import machine, print_table
from benchmarks.whisper_base import base_folder
from transcription.engine.alignment_heads import heads_or_default
from transcription.engine.catalogue import CATALOGUE
from transcription.engine.client import EngineClient
from transcription.engine.local import wait_until_ready
from transcription.engine.own_models import tokens
from transcription.engine.own_models.layout import Layout, Shape, expected_shapes
from transcription.engine.own_models.model_file import sources_of, write_model
from transcription.engine.types import (
    SAMPLE_RATE,
    WINDOW_SAMPLES,
    DecodeOptions,
    EngineError,
    EngineUnavailable,
    Window,
)

VOCABULARIES = {80: 51_865, 128: 51_866}
TEXT_TOKENS = 50_257
MIB = 1024

T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=CATALOGUE, default="large-v3")
    parser.add_argument("--backends", nargs="+", default=["openvino", "ctranslate2"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="made-") as folder:
        weights = Path(folder)
        size = make(weights / "ctranslate2" / options.model, options.model)
        rows = []
        for backend in options.backends:
            rows.append(measured(backend, options.model, weights))
            print(rows[-1], flush=True)
    print(f"{machine()}; {options.model}'s dimensions, random weights, {size:.0f} MiB in the file")
    head = ["backend", "peak while loading", "loaded", "peak with a window", "unloaded", "loading", "threads"]
    print_table("Resident memory of an engine", head, rows)


@dataclass(frozen=True)
class Made:
    """A weight that is made when it is written: a thousand random numbers, again and again."""

    shape: Shape

    def read(self) -> NDArray[np.float16]:
        noise = np.random.default_rng(len(self.shape)).normal(0.0, 0.02, 1009).astype(np.float16)
        return np.resize(noise, self.shape)


def make(folder: Path, name: str) -> float:
    """Writes a model in CTranslate2's form and returns the MiB of its weights."""
    folder.mkdir(parents=True)
    dimensions = CATALOGUE[name].dimensions
    layout = Layout(dimensions, VOCABULARIES[dimensions.n_mels])
    made = {
        source: Made((shape[0] // len(sources), *shape[1:]))
        for variable, shape in expected_shapes(layout).items()
        for sources in [sources_of(variable)]
        for source in sources
    }
    write_model(folder / "model.bin", layout, made, lambda done, total: None)
    tokens.write_vocabulary(folder, tokens.text_tokens(base_folder(), TEXT_TOKENS), layout.tokens)
    heads = heads_or_default(None, dimensions)
    (folder / "config.json").write_text(json.dumps({"alignment_heads": heads, "lang_ids": [], "suppress_ids": []}))
    return (folder / "model.bin").stat().st_size / 1024**2


def measured(backend: str, name: str, weights: Path) -> list[str]:
    noise = np.random.default_rng(0).normal(0, 1000, WINDOW_SAMPLES).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder:
        address, said = str(Path(folder) / "socket"), Path(folder) / "log"
        serve = [sys.executable, "-m", "transcription.engine", "serve", "--socket", address, "--models", name]
        more = ["--backend", backend, "--weights", str(weights), "--device", "cpu"]
        with said.open("w") as log:
            process = subprocess.Popen([*serve, *more], stderr=log)
        try:
            client, began = EngineClient(address, patience=600.0), time.monotonic()
            wait_until_ready(client, process)
            seconds, loaded, loading = time.monotonic() - began, client.status(), peak_mib(process.pid)
            window = Window(0, 0.0, len(noise) / SAMPLE_RATE, noise)
            list(client.decode([window], DecodeOptions(name, language="en", temperature=1.0)))
            hearing = peak_mib(process.pid)
            answered(lambda: client.order("unload", name))
            while answered(client.status).loaded:
                time.sleep(0.2)
            unloaded = answered(client.status)
            threads = len(list(Path(f"/proc/{process.pid}/task").iterdir()))
        except EngineError as error:
            raise SystemExit(f"{backend}: {error}{circumstances(process, said)}") from error
        finally:
            process.terminate()
            process.wait()
    figures = (loading, loaded.memory_used_mib, hearing, unloaded.memory_used_mib)
    return [backend, *(f"{figure:.0f} MiB" for figure in figures), f"{seconds:.0f} s", str(threads)]


def circumstances(process: subprocess.Popen[bytes], said: Path) -> str:
    """Says what ended an engine, or what it said last: most often that its memory is limited to less than it needs."""
    process.terminate()
    if process.wait() == -signal.SIGKILL:
        return "; it was killed, as the kernel does where a limit of memory, such as a container's, is reached"
    lines = said.read_text(errors="replace").strip().splitlines()
    problems = [line for line in lines if "ERROR" in line or "CRITICAL" in line] or lines
    return f"; it said: {problems[-1]}" if problems else ""


def peak_mib(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / MIB if found else 0.0


def answered(ask: Callable[[], T]) -> T:
    """Asks until the engine answers, which on a busy machine may take it longer than a question waits."""
    while True:
        try:
            return ask()
        except EngineUnavailable:
            time.sleep(0.2)


if __name__ == "__main__":
    main()

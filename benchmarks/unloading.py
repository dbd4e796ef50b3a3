"""What an engine on a CPU has of memory and threads with its model loaded, and without.

`python -m benchmarks.unloading` starts an engine for each backend that unloads its only model after a second without
use, and has it hear a clip five times: memory that does not come back would add up.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.speech import clips, pcm
from benchmarks.table import machine, print_table
from benchmarks.whisper_base import base_folder
from transcription.engine.client import EngineClient
from transcription.engine.local import wait_until_ready
from transcription.engine.modes import transcribe
from transcription.engine.types import DecodeOptions, EngineStatus

BACKENDS = ("openvino", "ctranslate2", "torch")
ROUNDS = 5
UNLOAD_SECONDS = 1


def main() -> None:
    rows = [row for backend in BACKENDS for row in measured(backend)]
    print(machine())
    head = ["backend", "round", "loaded", "threads", "unloaded", "threads", "the clip, loaded again"]
    print_table("Resident memory of an engine with base", head, rows)


def measured(backend: str) -> list[list[str]]:
    """Returns a row for each round."""
    clip = pcm(clips()[0].path)
    with tempfile.TemporaryDirectory() as folder:
        address = str(Path(folder) / "socket")
        serve = [sys.executable, "-m", "transcription.engine", "serve", "--socket", address, "--device", "cpu"]
        more = [
            "--backend",
            backend,
            "--weights",
            str(base_folder().parents[1]),
            "--unload-seconds",
            str(UNLOAD_SECONDS),
        ]
        process = subprocess.Popen([*serve, *more, "--unload-first"], stderr=subprocess.DEVNULL)
        try:
            client = EngineClient(address)
            wait_until_ready(client, process)
            rows = []
            for number in range(1, ROUNDS + 1):
                began = time.perf_counter()
                list(transcribe(client, [clip], DecodeOptions("base", language="en"), "fast"))
                seconds = time.perf_counter() - began
                loaded, unloaded = figures(client.status()), figures(until_unloaded(client))
                rows.append([backend, str(number), *loaded, *unloaded, f"{seconds:.1f} s" if number > 1 else ""])
            return rows
        finally:
            process.terminate()
            process.wait()


def until_unloaded(client: EngineClient) -> EngineStatus:
    while client.status().loaded:
        time.sleep(0.1)
    time.sleep(0.5)
    return client.status()


def figures(status: EngineStatus) -> tuple[str, str]:
    tasks = Path(f"/proc/{status.pid}/task")
    return f"{status.memory_used_mib:.0f} MiB", str(len(list(tasks.iterdir())))


if __name__ == "__main__":
    main()

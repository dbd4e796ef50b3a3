"""What fits into a part of a GPU's memory, in a process of its own: the cap cannot be taken back.

Everything counts: the CUDA context, the weights, the slots, the graphs and what a step needs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks import gpu_pipeline
from benchmarks.gpu_contestants import crosses, slot_decoder
from benchmarks.gpu_device import GIGABYTE, give_back, wait
from benchmarks.gpu_model import Job, random_whisper
from transcription.engine.torch_backend.parameters import Parameters, of_whisper

MOST_SLOTS = 64
WORKING_BYTES = 1.0e9
"""First guess of what graphs, the encoder and a step need beside weights and slots."""

SMALLER = 0.85
SECONDS = 200
MARK = "capped: "


@dataclass(frozen=True)
class Capped:
    """slots: as many as fit below `gigabytes`. used: the process's own of the card, at its peak, in GB."""

    cross: str
    gigabytes: float
    slots: int
    used: float
    rtfx: float
    failure: str = ""


def in_a_child(arguments: list[str]) -> list[Capped]:
    """Run `python -m benchmarks.gpu` with these arguments, which must include --capped-child."""
    command = [sys.executable, "-m", "benchmarks.gpu", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    found = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not found:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return [Capped("", 0.0, 0, 0.0, 0.0, reason)]
    return [Capped(**json.loads(line)) for line in found]


def child(job: Job, gigabytes: float) -> None:
    """Measure every cross-attention under the cap and print each as a line for `in_a_child`."""
    total = torch.cuda.get_device_properties(job.device).total_memory
    torch.zeros(1, device=job.device)
    free, _ = torch.cuda.mem_get_info(job.device)
    context = total - free - torch.cuda.memory_reserved(job.device)
    parameters = of_whisper(random_whisper(job.dims, job.device), job.device)
    give_back(job.device)
    cap = gigabytes * GIGABYTE - context
    torch.cuda.set_per_process_memory_fraction(cap / total, job.device)
    for cross in crosses():
        try:
            slots, rtfx = _fullest(job, parameters, cross, cap)
            used = (torch.cuda.max_memory_reserved(job.device) + context) / GIGABYTE
            found = Capped(cross, gigabytes, slots, used, rtfx)
        except Exception as error:
            found = Capped(cross, gigabytes, 0, 0.0, 0.0, f"{type(error).__name__}: {error}".splitlines()[0])
        print(MARK + json.dumps(asdict(found)), flush=True)
        give_back(job.device)


def _fullest(job: Job, parameters: Parameters, cross: str, cap: float) -> tuple[int, float]:
    """The most slots with which windows can be encoded and decoded, and their RTFx."""
    room = cap - torch.cuda.memory_allocated(job.device) - WORKING_BYTES
    slots = min(MOST_SLOTS, int(room / _slot_bytes(job, parameters, cross)))
    while slots >= 1:
        torch.cuda.reset_peak_memory_stats(job.device)
        try:
            return slots, _rtfx(job, parameters, cross, slots)
        except torch.OutOfMemoryError:
            pass
        # Outside of the handler: the error holds on to what it failed with.
        give_back(job.device)
        slots = int(slots * SMALLER)
    raise torch.OutOfMemoryError("not even one slot fits")


def _slot_bytes(job: Job, parameters: Parameters, cross: str) -> float:
    sizes = []
    for slots in (1, 2):
        before = torch.cuda.memory_allocated(job.device)
        decoder: Any = slot_decoder(parameters, slots, cross)
        sizes.append(torch.cuda.memory_allocated(job.device) - before)
        del decoder
        give_back(job.device)
    return float(sizes[1] - sizes[0])


def _rtfx(job: Job, parameters: Parameters, cross: str, slots: int) -> float:
    """Seconds of audio a second; the second of two runs."""
    decoder = slot_decoder(parameters, slots, cross)
    decoder.warm_up()
    mels = job.mels(3 * slots)
    for _ in range(2):
        wait(job.device)
        begin = time.perf_counter()
        gpu_pipeline.run(decoder, job, mels)
        wait(job.device)
        seconds = time.perf_counter() - begin
    return 30.0 * len(mels) / seconds

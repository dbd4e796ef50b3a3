"""How much memory torch may take of the GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from transcription.engine.torch_backend.memory import CONTEXT_MIB, MIB


def limit_memory(limit_mib: float) -> None:
    """Caps this process's memory on the GPU, what CUDA itself takes included; 0 is no cap."""
    # torch counts its own memory only.
    own = max(0.0, limit_mib - CONTEXT_MIB) * MIB / _total() if limit_mib else 1.0
    torch.cuda.set_per_process_memory_fraction(min(1.0, own))


@contextmanager
def no_more_memory(limit_mib: float) -> Iterator[None]:
    """Refuses whatever this process does not have of the GPU's memory already. limit_mib: its cap afterwards."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(torch.cuda.memory_reserved() / _total())
    try:
        yield
    finally:
        limit_memory(limit_mib)


def peak_mib() -> float:
    """Returns the most that this process took of the GPU, about: what torch had, and what CUDA is assumed to take."""
    return torch.cuda.max_memory_reserved() / MIB + CONTEXT_MIB


def gpu_memory_mib(device: str) -> tuple[float, float] | None:
    """Returns what is used of the GPU's memory, by whomever, and all of it; None where the device is none."""
    if device != "cuda":
        return None
    free, total = torch.cuda.mem_get_info()
    return (total - free) / MIB, total / MIB


def _total() -> int:
    return int(torch.cuda.get_device_properties(0).total_memory)

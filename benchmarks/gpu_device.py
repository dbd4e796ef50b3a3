"""The machine that a benchmark runs on: a CUDA device, or a CPU in its place for a smoke test."""

from __future__ import annotations

import gc
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import torch

PACKAGES = ("torch", "numpy", "openai-whisper", "tiktoken", "transformers", "triton")
GIGABYTE = 1e9


def chosen_device() -> torch.device:
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def described(device: torch.device) -> str:
    """Date, device, driver's CUDA and versions, in a line."""
    packages = [f"{name} {found}" for name in PACKAGES if (found := _version(name))]
    parts = [str(datetime.now(UTC).date()), _hardware(device), f"Python {platform.python_version()}", *packages]
    return ", ".join(parts)


def wait(device: torch.device) -> None:
    """Until everything queued on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def allocated(device: torch.device) -> int:
    """Bytes of tensors on the device; 0 on a CPU, which nobody counts."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def peak(device: torch.device) -> int:
    """The most bytes of tensors at once since `forget_peak`."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def give_back(device: torch.device) -> None:
    """What nothing refers to any more goes back to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _hardware(device: torch.device) -> str:
    if device.type != "cuda":
        return f"{os.cpu_count()} cores, no GPU"
    facts = torch.cuda.get_device_properties(device)
    memory = facts.total_memory / GIGABYTE
    return f"{facts.name} ({memory:.1f} GB, {facts.multi_processor_count} multiprocessors), CUDA {torch.version.cuda}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""

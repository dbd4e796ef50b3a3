"""What this process may use of the machine."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
import threading
from contextlib import suppress
from pathlib import Path

import psutil

MIB = 1024 * 1024
GROUP = Path("/sys/fs/cgroup")
"""The control group that a container sees as its own."""

CPUS = Path("/sys/devices/system/cpu")

M_ARENA_MAX = -8
"""Of glibc's mallopt."""


def cores() -> int:
    """Returns the number of cores to run on: of those that the process is allowed, or a container's share of time.

    Threads of one core, which multiply no faster than one does, count once where the kernel tells them apart.
    """
    if not hasattr(os, "sched_getaffinity"):
        return psutil.cpu_count(logical=False) or 1
    physical = len({_siblings(cpu) for cpu in os.sched_getaffinity(0)})
    try:
        quota, period = (GROUP / "cpu.max").read_text().split()
        return max(1, min(physical, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return physical


def _siblings(cpu: int) -> str:
    """Returns the threads of a logical CPU's core, as the kernel lists them."""
    try:
        return (CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text()
    except OSError:
        return str(cpu)


def sleep_between_parallel_work() -> None:
    """Lets OpenMP's threads sleep where they would spin: encoding and decoding share the same cores."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def keep_memory_together() -> None:
    """Lets all threads allocate from two arenas: in one for each, little comes free that a closed model had."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another libc
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def give_memory_back() -> None:
    """Returns what is free to the kernel."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def stand_back(niceness: int) -> None:
    """Adds to the niceness of the calling thread and of the threads that it starts from now on. Linux only."""
    if niceness and sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + niceness)


def private_mib() -> float:
    """Returns how much this process has of the memory that guard.limit_memory limits, in MiB; infinite if unknown."""
    return _field(Path("/proc/self/status"), "VmData") / 1024


def available_mib() -> float:
    """Returns the memory that this process may still take, in MiB.

    That is the least of what the machine, its control group and its own limit leave.
    """
    available: int = psutil.virtual_memory().available
    return min(available / MIB, _of_group(), _of_limit())


def _of_group() -> float:
    """Returns a container's limit less what it uses, in MiB. Files that the kernel caches for it count as free."""
    try:
        limit = int((GROUP / "memory.max").read_text())
        used = int((GROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return float("inf")
    files = _field(GROUP / "memory.stat", "file")
    return (limit - used + (files if files < float("inf") else 0.0)) / MIB


def _of_limit() -> float:
    """Returns what guard.limit_memory leaves, in MiB; infinite without a limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return float("inf") if limit == resource.RLIM_INFINITY else limit / MIB - private_mib()


def _field(file: Path, name: str) -> float:
    """Returns the number after a name at the beginning of a line; infinite if it isn't there."""
    try:
        lines = [line.replace(":", " ").split() for line in file.read_text().splitlines()]
    except OSError:
        return float("inf")
    return next((float(parts[1]) for parts in lines if len(parts) > 1 and parts[0] == name), float("inf"))

"""Ties the process to its parent's life and to a limit of memory."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import threading
import time

from transcription.engine import machine
from transcription.engine.types import EngineError

PR_SET_PDEATHSIG = 1
PARENT_POLL_SECONDS = 1.0


def die_with_parent() -> None:
    """Ends this process when its parent ends.

    The kernel is asked for a SIGKILL (it sends it when the parent's *thread* that forked
    us ends); where it can't, a thread looks every second whether the parent has changed.
    """
    parent = os.getppid()
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        pass  # Not Linux: polling has to do.
    threading.Thread(target=_watch, args=(parent,), name="parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)


def limit_memory(mib: int) -> None:
    """Lets the kernel refuse the process more private memory than so many MiB.

    Raises EngineError for less than the process has already.
    """
    if mib <= (used := machine.private_mib()) < float("inf"):
        raise EngineError(f"{mib} MiB are too few: without any model the engine takes {used:.0f}; raise the limit")
    resource.setrlimit(resource.RLIMIT_DATA, (mib * machine.MIB, mib * machine.MIB))

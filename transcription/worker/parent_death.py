"""Ties a process to its parent: the kernel signals the child when the parent dies, however it dies.

Only Linux does that. Elsewhere children of a killed parent keep running.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork that uses it


def die_with_parent(parent: int, signal_number: int = signal.SIGKILL) -> None:
    """Makes the kernel send `signal_number` to this process when `parent` dies; sends it now if `parent` is dead."""
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal_number)


def set_process_name(name: str) -> None:
    """Sets the name that `top` and `ps -o comm` show, cut to 15 bytes."""
    if _libc is not None:
        _libc.prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)

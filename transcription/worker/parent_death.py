"""Ties a process to its parent: when the parent dies, however it dies, the child does too.

Linux keeps that promise in the kernel; elsewhere nothing is tied, and a parent that is killed leaves its
children to the operator.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork that uses it


def hold(parent: int, last_word: int = signal.SIGKILL) -> None:
    """This process gets `last_word` when `parent` dies; at once where that has happened already."""
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, int(last_word), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), last_word)


def tied(last_word: int = signal.SIGKILL) -> Callable[[], None]:
    """A `preexec_fn` for a child of this process."""
    return partial(hold, os.getpid(), last_word)


def rename(title: str) -> None:
    """What `top` and `ps -o comm` call this process; 15 bytes are shown."""
    if _libc is not None:
        _libc.prctl(PR_SET_NAME, title.encode()[:15], 0, 0, 0)

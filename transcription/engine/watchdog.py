"""Ends an engine whose device hangs: its callers send their windows again, to a new one."""

from __future__ import annotations

import faulthandler
import threading
from collections.abc import Callable

LOOK_EVERY_SECONDS = 1.0
LEAST_PATIENCE_SECONDS = 30.0
DEAF_SECONDS = 45
CANARIES = 4
"""How many times longer than the canary's second of noise an honest window may take."""


def patience_for(probe_seconds: float, windows: int) -> float:
    """Seconds after which a call with so many windows is taken to hang."""
    return max(LEAST_PATIENCE_SECONDS, CANARIES * probe_seconds * windows)


class Watchdog:
    """Watches progress: `overdue` says by how many seconds a call of a model exceeds its patience.

    `on_stuck` is called with a reason when one does. Should this process not even run Python any
    more, because C code holds its lock, it ends after DEAF_SECONDS with every thread's traceback.
    """

    def __init__(self, overdue: Callable[[], float], on_stuck: Callable[[str], None]) -> None:
        self._overdue = overdue
        self._on_stuck = on_stuck

    def start(self) -> None:
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        pause = threading.Event()
        while (seconds := self._overdue()) <= 0:
            faulthandler.dump_traceback_later(DEAF_SECONDS, exit=True)
            pause.wait(LOOK_EVERY_SECONDS)
        self._on_stuck(f"a call of the model is overdue by {seconds:.0f} s")

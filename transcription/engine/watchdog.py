"""Ends an engine whose device hangs. Its callers send their windows to the next engine process."""

from __future__ import annotations

import faulthandler
import threading
import time
from collections.abc import Callable

LOOK_EVERY_SECONDS = 1.0
LEAST_PATIENCE_SECONDS = 30.0
FROZEN_SECONDS = 45
PROBES_PER_WINDOW = 4
"""A call may take so many times the seconds of the probe (probe.py) for each of its windows."""


def patience_for(probe_seconds: float, windows: int) -> float:
    """Returns the seconds after which a call with so many windows counts as hanging."""
    return max(LEAST_PATIENCE_SECONDS, PROBES_PER_WINDOW * probe_seconds * windows)


def watch(overdue: Callable[[], float], on_stuck: Callable[[str], None]) -> None:
    """Starts a thread that calls `on_stuck` with a reason once `overdue` returns more than 0 seconds.

    Where no Python code runs because C code holds the interpreter's lock, the process ends after
    FROZEN_SECONDS with every thread's traceback.
    """

    def look() -> None:
        while (seconds := overdue()) <= 0:
            faulthandler.dump_traceback_later(FROZEN_SECONDS, exit=True)
            time.sleep(LOOK_EVERY_SECONDS)
        on_stuck(f"a call of the model is overdue by {seconds:.0f} s")

    threading.Thread(target=look, name="watchdog", daemon=True).start()

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


class Watchdog:
    """Watches progress: `batch_age` says for how many seconds the backend has been at its oldest batch.

    `on_stuck` is called with a reason when that is longer than an honest batch can take. Should this process not
    even run Python any more, because C code holds its lock, it ends after DEAF_SECONDS with every thread's traceback.
    """

    def __init__(self, batch_age: Callable[[], float], on_stuck: Callable[[str], None]) -> None:
        self._batch_age = batch_age
        self._on_stuck = on_stuck
        self._patience = LEAST_PATIENCE_SECONDS

    def start(self, canary_seconds: float, batch_size: int) -> None:
        """`canary_seconds` is how long the slowest model took for the canary."""
        self._patience = max(LEAST_PATIENCE_SECONDS, CANARIES * canary_seconds * batch_size)
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        pause = threading.Event()
        while (age := self._batch_age()) <= self._patience:
            faulthandler.dump_traceback_later(DEAF_SECONDS, exit=True)
            pause.wait(LOOK_EVERY_SECONDS)
        self._on_stuck(f"a batch has not come back for {age:.0f} s")

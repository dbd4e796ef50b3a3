"""What a worker does while Redis is away: it looks into the database every few seconds."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from transcription.worker import parent_death

log = logging.getLogger(__name__)
LEAST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 3.0
HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Poller:
    """Does `work` in a child, again and again, as RQ would do it for a wake-up.

    SIGTERM lets the child in hand finish and ends the polling; SIGUSR1 is passed on to the child. `bury` is told
    the pid of a child that did not end in order.
    """

    def __init__(self, work: Callable[[], None], bury: Callable[[int], None]) -> None:
        self.told_to_stop = False
        self._work = work
        self._bury = bury
        self._child = 0

    def run(self, until: Callable[[], bool]) -> None:
        """Looks at least once; returns once told to stop, or when `until` says so after a look."""
        before = {number: signal.signal(number, self._hear) for number in HEARD}
        try:
            while not self.told_to_stop:
                self._do_one()
                self._pause()
                if until():
                    break
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _do_one(self) -> None:
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        self._child = os.fork()
        if self._child == 0:
            self._be_child(parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        _pid, status = os.waitpid(self._child, 0)
        ended, self._child = self._child, 0
        if status:
            self._bury(ended)

    def _be_child(self, parent: int) -> None:
        code = 1
        try:
            os.setpgrp()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGUSR1, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
            parent_death.hold(parent)
            parent_death.rename("horse")
            self._work()
            code = 0
        except BaseException:
            log.exception("A job failed")
        finally:
            os._exit(code)

    def _pause(self) -> None:
        """Not all workers at once. A signal cuts it short at the next tenth of a second."""
        end = time.monotonic() + random.uniform(LEAST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)  # noqa: S311 - no secret
        while time.monotonic() < end and not self.told_to_stop:
            time.sleep(0.1)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGUSR1:
            self.told_to_stop = True
        elif self._child:
            with suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGUSR1)

"""What a worker does while Redis is away: it looks for work in the database every few seconds."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from transcription.worker.process_supervisor import fork

SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 3.0
HANDLED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class DatabasePoller:
    """Runs `job` in a child process, again and again, as RQ runs it for each wake-up.

    SIGTERM and SIGINT end the polling after the running child; SIGUSR1 is passed on to that child.
    `report_crash` is called with the pid of a child that failed.
    """

    def __init__(self, job: Callable[[], None], report_crash: Callable[[int], None]) -> None:
        self.stop_requested = False
        self._job = job
        self._report_crash = report_crash
        self._child = 0

    def run(self, until: Callable[[], bool]) -> None:
        """Polls at least once. Returns when a signal requested it, or when `until` returns True after a round."""
        previous = {number: signal.signal(number, self._handle_signal) for number in HANDLED_SIGNALS}
        try:
            while not self.stop_requested:
                self._run_child()
                self._pause()
                if until():
                    break
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _run_child(self) -> None:
        """Blocks signals over the fork, so that the parent knows its child, and the child has its own handlers."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED_SIGNALS)
        self._child = fork("horse", self._run_job)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED_SIGNALS)
        _pid, status = os.waitpid(self._child, 0)
        ended, self._child = self._child, 0
        if status:
            self._report_crash(ended)

    def _run_job(self) -> None:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED_SIGNALS)
        self._job()

    def _pause(self) -> None:
        """Waits a random time, so that workers don't poll in step. A signal ends it within a tenth of a second."""
        end = time.monotonic() + random.uniform(SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)  # noqa: S311 - no secret
        while time.monotonic() < end and not self.stop_requested:
            time.sleep(0.1)

    def _handle_signal(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGUSR1:
            self.stop_requested = True
        elif self._child:
            with suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGUSR1)

"""When the sweeper's tasks run: one thread looks, by one query, which rounds have something to do."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from django.db import connections

from transcription.lookout import Lookout, look

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 8.0
"""Between looks while the database is away."""

Task = Callable[[], int | None]


@dataclass(eq=False)
class Round:
    """Tasks, the pause between their runs, and how long a run may take before it counts as late, in seconds.

    A round with lookouts is left out while none of them sees anything `due`.
    """

    pause: float
    longest: float
    tasks: dict[str, Task]
    due: Collection[Lookout] = ()
    _succeeded_at: float | None = field(default=None, init=False)
    _rested_at: float = field(default=0.0, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """The name of its first task."""
        return next(iter(self.tasks))

    @property
    def is_ready(self) -> bool:
        """Whether it neither runs nor pauses until nearer the next look than this one."""
        is_running = self._thread is not None and self._thread.is_alive()
        return not is_running and time.monotonic() + LOOK_SECONDS / 2 >= self._rested_at

    def note(self) -> None:
        """Notes that the round went well, or begins."""
        self._succeeded_at = time.monotonic()

    def lateness(self, now: float) -> float | None:
        """Returns by how many seconds it is late; None where it has not begun here."""
        if self._succeeded_at is None:
            return None
        return max(0.0, now - self._succeeded_at - self.pause - self.longest)

    def start(self) -> None:
        """Runs it in a thread, or at the next look where the system gives none now."""
        thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        try:
            thread.start()
            self._thread = thread
        except RuntimeError as error:
            log.warning("The sweeper's round “%s” can't begin: %s", self.name, error)

    def leave_out(self) -> None:
        self._rested_at = time.monotonic() + self.pause
        self.note()

    def finish(self, seconds: float) -> bool:
        """Waits so long for a run to end. Returns whether it did."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def _run(self) -> None:
        """Runs the tasks. A round in which one failed did not go well."""
        counts = sweep(self.tasks)
        connections.close_all()
        if len(counts) == len(self.tasks):
            self.note()
        self._rested_at = time.monotonic() + self.pause


def run(stop: threading.Event, rounds: Sequence[Round]) -> None:
    """Starts rounds until `stop` is set, each in a thread of its own: none waits for another."""
    pause = LOOK_SECONDS
    for one in rounds:
        one.note()
    while not stop.is_set():
        longer = min(2 * pause, LONGEST_PAUSE_SECONDS)
        try:
            pause = LOOK_SECONDS if _start_due(stop, rounds) else longer
        except Exception:
            log.exception("The sweeper's rounds can't begin; it is tried again.")
            pause = longer
        stop.wait(pause)
    connections.close_all()


def _start_due(stop: threading.Event, rounds: Sequence[Round]) -> bool:
    """Starts what is ready and due, or may be. Returns whether the database said what is due."""
    ready = [one for one in rounds if one.is_ready]
    lookouts = {lookout for one in ready for lookout in one.due}
    try:
        seen, is_read = look(lookouts), True
    except Exception as error:
        log.warning("What is due can't be read (%s); every round is tried.", str(error).strip())
        connections.close_all()
        seen, is_read = lookouts, False
    for one in ready:
        if stop.is_set():
            break
        if one.due and seen.isdisjoint(one.due):
            one.leave_out()
        else:
            one.start()
    return is_read


def sweep(tasks: dict[str, Task]) -> dict[str, int]:
    """Runs each task, and returns their counts by name. A task that raises is logged, and the others run."""
    counts: dict[str, int] = {}
    for name, task in tasks.items():
        try:
            counts[name] = task() or 0
        except Exception:
            log.exception("Sweeping failed: %s", name)
    for name, count in counts.items():
        if count:
            log.info("Swept: %d %s", count, name)
    return counts

"""Child processes that are started again when they end, by one single-threaded loop."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from transcription.worker import parent_death

log = logging.getLogger(__name__)

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
STEADY_SECONDS = 30.0
HEARD = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


@dataclass(eq=False)
class Ward:
    """A process that is to run for as long as its supervisor does, or, as an errand, once.

    `spawn` starts it and returns its pid; `bereaved` is called when it has ended unexpectedly.
    """

    name: str
    spawn: Callable[[], int]
    is_errand: bool = False
    bereaved: Callable[[], object] = lambda: None
    pid: int = 0
    started_at: float = 0.0
    due_at: float = 0.0
    delay: float = 0.0

    @property
    def is_running(self) -> bool:
        return self.pid != 0

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.pid = self.spawn()

    def poll(self) -> int | None:
        """The wait status of an end that was not seen yet."""
        if not self.pid:
            return None
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, 0
        if not pid:
            return None
        self.pid = 0
        return status

    def postpone(self) -> float:
        """Seconds until the next start: longer each time, short again after a steady while."""
        steady = time.monotonic() - self.started_at > STEADY_SECONDS
        self.delay = FIRST_DELAY_SECONDS if steady or not self.delay else min(2 * self.delay, LONGEST_DELAY_SECONDS)
        self.due_at = time.monotonic() + self.delay
        return self.delay

    def send(self, number: int) -> None:
        if self.pid:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass


class Supervisor:
    """Keeps wards running until it is told to stop by SIGTERM or SIGINT.

    `say` gets one line for each unexpected end. Within `with`, signals are heard; a forked child calls
    `forget_signals` before anything else.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.wards: list[Ward] = []
        self.asked_to_stop = 0
        self._say = say
        self._selector = selectors.DefaultSelector()
        self._heard, self._wakeup = socket.socketpair()

    def __enter__(self) -> Supervisor:
        self._heard.setblocking(False)
        self._wakeup.setblocking(False)
        self._selector.register(self._heard, selectors.EVENT_READ, self._drain)
        for number in HEARD:
            signal.signal(number, self._note)
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_error: object) -> None:
        forget_signals()
        self._selector.close()
        self._heard.close()
        self._wakeup.close()

    def read(self, file: int, reader: Callable[[], None]) -> None:
        """Calls `reader` whenever `file` has something to read, or has ended."""
        self._selector.register(file, selectors.EVENT_READ, reader)

    def stop_reading(self, file: int) -> None:
        self._selector.unregister(file)

    def start(self, *wards: Ward) -> None:
        """Takes wards in and starts them, in order."""
        for ward in wards:
            self.wards.append(ward)
            ward.start()

    def run(self, every: Callable[[], None] | None = None) -> None:
        """Returns once asked to stop. `every` is called at each turn."""
        while not self.asked_to_stop:
            self.tend()
            if every:
                every()
            self.wait(self._seconds_to_next_start())

    def tend(self) -> None:
        """Notes who ended and starts again who is due."""
        for ward in self.wards:
            status = ward.poll()
            if ward.is_errand:
                continue
            if status is not None:
                delay = ward.postpone()
                self._say(f"{ward.name} {how_it_ended(status)}; it is started again in {delay:g} s.")
                ward.bereaved()
            if not ward.is_running and time.monotonic() >= ward.due_at:
                ward.start()

    def wait(self, seconds: float) -> None:
        """Until a signal or a line arrives, at most `seconds`."""
        for key, _events in self._selector.select(max(0.0, seconds)):
            key.data()

    def wait_until_gone(self, wards: Iterable[Ward], seconds: float, impatient: bool = False) -> bool:
        """Whether `wards` ended within `seconds`. Nothing is started again; a second signal ends the patience."""
        wards, deadline, asked = list(wards), time.monotonic() + seconds, self.asked_to_stop
        while [ward for ward in wards if self._is_left(ward)]:
            left = deadline - time.monotonic()
            if left <= 0 or (impatient and self.asked_to_stop > asked):
                return False
            self.wait(min(left, 1.0))
        return True

    def send(self, wards: Iterable[Ward], number: int) -> None:
        for ward in wards:
            ward.send(number)

    def _is_left(self, ward: Ward) -> bool:
        ward.poll()
        return ward.is_running

    def _seconds_to_next_start(self) -> float:
        waiting = [ward.due_at for ward in self.wards if not ward.is_running and not ward.is_errand]
        return min([due - time.monotonic() for due in waiting], default=1.0)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self.asked_to_stop += 1

    def _drain(self) -> None:
        try:
            self._heard.recv(4096)
        except BlockingIOError:
            pass


def fork(name: str, work: Callable[[], object]) -> int:
    """Runs `work` in a child of its own session that ends with this process; the child's pid.

    The child's exit code is 0 when `work` returned. Fork before there are threads or open connections.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be_child(name, parent, work)
    return pid


def _be_child(name: str, parent: int, work: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        os.setsid()
        forget_signals()
        parent_death.hold(parent)
        parent_death.rename(name)
        work()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        log.exception("%s failed", name)
    finally:
        os._exit(code)


def errand(name: str, work: Callable[[], object]) -> bool:
    """Does a small thing that needs the database in a child, and waits for it; whether it was done."""
    _pid, status = os.waitpid(fork(name, work), 0)
    return status == 0


def become(command: Sequence[str], output: int | None = None, environment: dict[str, str] | None = None) -> NoReturn:
    """For a forked child: runs `command` in its place, with both outputs on the file descriptor `output`."""
    if output is not None:
        os.dup2(output, 1)
        os.dup2(output, 2)
    if environment is None:
        os.execv(command[0], list(command))  # noqa: S606 - no shell is wanted
    os.execve(command[0], list(command), environment)  # noqa: S606


def forget_signals() -> None:
    """For a forked child: signals do what they do by default."""
    signal.set_wakeup_fd(-1)
    for number in HEARD:
        signal.signal(number, signal.SIG_DFL)


def how_it_ended(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        return f"was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with exit code {os.waitstatus_to_exitcode(status)}"

"""A single-threaded loop that starts child processes and restarts those that end."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from transcription.worker import parent_death

log = logging.getLogger(__name__)

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
STEADY_SECONDS = 30.0
KILL_SECONDS = 5.0
HANDLED_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


@dataclass(eq=False)
class ManagedProcess:
    """A process that its supervisor restarts whenever it ends, or that runs once.

    `spawn` starts it and returns its pid. `on_exit` is called after each unexpected end.
    """

    name: str
    spawn: Callable[[], int]
    runs_once: bool = False
    on_exit: Callable[[], object] = lambda: None
    pid: int = 0
    started_at: float = 0.0
    restart_at: float = 0.0
    restart_delay: float = 0.0
    last_exit: int = 0
    """The exit code of the process before, or minus the signal that ended it."""

    @property
    def is_running(self) -> bool:
        return self.pid != 0

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.pid = self.spawn()

    def poll(self) -> int | None:
        """Returns the wait status once after the process has ended, and None otherwise."""
        if not self.pid:
            return None
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, 0
        if not pid:
            return None
        self.pid, self.last_exit = 0, os.waitstatus_to_exitcode(status)
        return status

    def schedule_restart(self) -> float:
        """Doubles the delay before each restart, up to a limit, and resets it after a steady run. Returns seconds."""
        is_first = not self.restart_delay or time.monotonic() - self.started_at > STEADY_SECONDS
        self.restart_delay = FIRST_DELAY_SECONDS if is_first else min(2 * self.restart_delay, LONGEST_DELAY_SECONDS)
        self.restart_at = time.monotonic() + self.restart_delay
        return self.restart_delay

    def send_signal(self, number: int) -> None:
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Supervisor:
    """Keeps processes running until it receives SIGTERM or SIGINT.

    `report` is called with one line for each unexpected end. Signals are handled within the `with` block; a forked
    child calls `reset_signals` first.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self.processes: list[ManagedProcess] = []
        self.stop_requests = 0
        self._report = report
        self._selector = selectors.DefaultSelector()
        self._wakeup_reader, self._wakeup_writer = socket.socketpair()

    def __enter__(self) -> Supervisor:
        self._wakeup_reader.setblocking(False)
        self._wakeup_writer.setblocking(False)
        self._selector.register(self._wakeup_reader, selectors.EVENT_READ, self._drain_wakeups)
        for number in HANDLED_SIGNALS:
            signal.signal(number, self._handle_signal)
        signal.set_wakeup_fd(self._wakeup_writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_error: object) -> None:
        reset_signals()
        self._selector.close()
        self._wakeup_reader.close()
        self._wakeup_writer.close()

    def read(self, file: int, reader: Callable[[], None]) -> None:
        """Calls `reader` whenever the file descriptor `file` has something to read, or has ended."""
        self._selector.register(file, selectors.EVENT_READ, reader)

    def start(self, *processes: ManagedProcess) -> None:
        """Starts processes in order, and supervises them from then on."""
        for process in processes:
            self.processes.append(process)
            process.start()

    def run(self, every: Callable[[], None] | None = None) -> None:
        """Returns after the first SIGTERM or SIGINT. Calls `every` in each round, which takes a second at most."""
        while not self.stop_requests:
            self._restart_ended()
            if every:
                every()
            self.wait(self._seconds_to_next_restart())

    def wait(self, seconds: float) -> None:
        """Waits at most `seconds` for a signal or for output."""
        for key, _events in self._selector.select(max(0.0, seconds)):
            key.data()

    def wait_until_ended(self, processes: Iterable[ManagedProcess], seconds: float) -> bool:
        """Returns whether all ended within `seconds`. Restarts nothing; a further stop signal ends the wait."""
        processes, deadline, requests = list(processes), time.monotonic() + seconds, self.stop_requests
        while any(self._still_runs(process) for process in processes):
            left = deadline - time.monotonic()
            if left <= 0 or self.stop_requests > requests:
                return False
            self.wait(min(left, 1.0))
        return True

    def send_signal(self, processes: Iterable[ManagedProcess], number: int) -> None:
        for process in processes:
            process.send_signal(number)

    def stop(self, processes: Iterable[ManagedProcess], seconds: float) -> None:
        """Sends SIGTERM, and SIGKILL to what still runs after `seconds` or a further stop signal."""
        processes = list(processes)
        self.send_signal(processes, signal.SIGTERM)
        if not self.wait_until_ended(processes, seconds):
            self.send_signal(processes, signal.SIGKILL)
            self.wait_until_ended(processes, KILL_SECONDS)

    def _restart_ended(self) -> None:
        for process in self.processes:
            status = process.poll()
            if process.runs_once:
                continue
            if status is not None:
                delay = process.schedule_restart()
                self._report(f"{process.name} {_describe_exit(status)}; it is started again in {delay:g} s.")
                process.on_exit()
            if not process.is_running and time.monotonic() >= process.restart_at:
                process.start()

    def _still_runs(self, process: ManagedProcess) -> bool:
        process.poll()
        return process.is_running

    def _seconds_to_next_restart(self) -> float:
        ended = [process for process in self.processes if not process.is_running and not process.runs_once]
        return min([process.restart_at - time.monotonic() for process in ended], default=1.0)

    def _handle_signal(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self.stop_requests += 1

    def _drain_wakeups(self) -> None:
        with suppress(BlockingIOError):
            self._wakeup_reader.recv(4096)


def fork(name: str, work: Callable[[], object]) -> int:
    """Runs `work` in a child process that leads its own session and dies with this process. Returns its pid.

    The child's exit code is 0 when `work` returned. Call it before there are threads or open connections.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _run_child(name, parent, work)
    return pid


def _run_child(name: str, parent: int, work: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        os.setsid()
        reset_signals()
        parent_death.die_with_parent(parent)
        parent_death.set_process_name(name)
        work()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        log.exception("%s failed", name)
    finally:
        os._exit(code)


def run_once(name: str, work: Callable[[], object]) -> bool:
    """Runs `work` in a child process, such as work that needs the database. Returns whether it exited with 0."""
    _pid, status = os.waitpid(fork(name, work), 0)
    return status == 0


def exec_command(command: Sequence[str], environment: dict[str, str], output: int | None = None) -> NoReturn:
    """Replaces a forked child by `command`, with stdout and stderr on the file descriptor `output`."""
    if output is not None:
        os.dup2(output, 1)
        os.dup2(output, 2)
    os.execve(command[0], list(command), environment)  # noqa: S606 - no shell is wanted


def reset_signals() -> None:
    """Restores the default handling of HANDLED_SIGNALS, in a forked child or after supervision."""
    signal.set_wakeup_fd(-1)
    for number in HANDLED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _describe_exit(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with exit code {os.waitstatus_to_exitcode(status)}"

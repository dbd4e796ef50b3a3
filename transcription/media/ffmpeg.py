"""The only door to ffmpeg: hostile media is read in a small, limited process.

Limits: address space, CPU, wall clock, open files, no files written, its own process group, no protocol but `file:`
and `pipe:`, demuxers from a list (`formats`), and, where the system allows it, no network.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from transcription.media.errors import DecoderDied, MediaError
from transcription.media.formats import TAKEN

ADDRESS_SPACE_KIB = 1_500_000
READ_BYTES = 1 << 16
REPORT_BYTES = 8 * 1024 * 1024
REPORT_END_BYTES = 1 << 16
COPY_BYTES = 2 * 1024**3

ON_A_SIGNAL = re.compile(r"^(Exiting normally, received signal|Received > \d+ system signals)", re.MULTILINE)
NO_MEMORY = re.compile(r"^\S.*Cannot allocate memory$", re.MULTILINE)
IN_ORDER_ON_A_SIGNAL = (123, 255)
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)


@cache
def find_ffmpeg() -> str:
    """ffmpeg on PATH, else the one that imageio-ffmpeg ships."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


class Ffmpeg(subprocess.Popen[bytes]):
    """One ffmpeg in a process group of its own; its status says who ended it, once `ended` has returned."""

    cpu_limit = 0.0
    cpu_seconds = 0.0
    out_of_time = False

    def chunks(self) -> Iterator[bytes]:
        """What it writes to stdout, as it comes; what it said before that stands in `report` by then."""
        assert self.stdout is not None
        assert self.stderr is not None
        self._begin, self._end = bytearray(), bytearray()
        with selectors.DefaultSelector() as pipes:
            for pipe in (self.stdout, self.stderr):
                os.set_blocking(pipe.fileno(), False)
                pipes.register(pipe, selectors.EVENT_READ)
            while pipes.get_map():
                ready = [key.fileobj for key, _events in pipes.select()]
                if self.stderr in pipes.get_map() and not self._hear(self.stderr.fileno()):
                    pipes.unregister(self.stderr)
                if self.stdout in ready:
                    if chunk := os.read(self.stdout.fileno(), READ_BYTES):
                        yield chunk
                    else:
                        pipes.unregister(self.stdout)

    def _hear(self, pipe: int) -> bool:
        """Keeps the beginning and the end of what it says; False when it has closed the pipe."""
        with suppress(BlockingIOError):
            while said := os.read(pipe, READ_BYTES):
                room = REPORT_BYTES - len(self._begin)
                self._begin += said[:room]
                self._end = (self._end + said[room:])[-REPORT_END_BYTES:]
            return False
        return True

    @property
    def report(self) -> str:
        return (self._begin + self._end).decode("utf-8", "replace")

    def ended(self) -> int:
        """Waits for its end: the exit status, negative for a signal."""
        if self.returncode is None:
            _pid, status, used = os.wait4(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_seconds = used.ru_utime + used.ru_stime
        return self.returncode

    def must_have_ended(self, report: str | None = None) -> None:
        """A damaged file ends ffmpeg with a message; a signal ends it in the middle of a good one.

        Raises MediaError and DecoderDied.
        """
        status = self.ended()
        if self.ran_into_a_limit(report or ""):
            raise MediaError("too_complex", f"ffmpeg took {self.cpu_seconds:.0f} s. {last_line(report or '')}")
        if self.was_stopped(report):
            raise DecoderDied(f"ffmpeg was ended by a signal: {status}.")

    def kill_group(self) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def end_its_time(self) -> None:
        self.out_of_time = True
        self.kill_group()

    def ran_into_a_limit(self, report: str) -> bool:
        """Of CPU time, of memory or of what it may write: the next attempt would, too.

        A clock that ran out while it hardly worked is none: the machine was too busy.
        """
        if self.returncode == 0:
            return False
        worked = self.cpu_seconds >= self.cpu_limit * (0.5 if self.out_of_time else 0.9)
        return worked or -self.returncode in (signal.SIGXCPU, signal.SIGXFSZ) or bool(NO_MEMORY.search(report))

    def was_stopped(self, report: str | None) -> bool:
        """By a signal from outside, on which it may also have ended in order; `report` is what it said, if it could.

        Told to stop while it still opens its input, it ends with the status of a damaged file: only the report tells.
        """
        if self.returncode > 0:
            return self.returncode in IN_ORDER_ON_A_SIGNAL if report is None else bool(ON_A_SIGNAL.search(report))
        return self.returncode < 0 and -self.returncode not in CRASHES

    @property
    def crashed(self) -> bool:
        return -self.returncode in CRASHES


@contextmanager
def reading(
    path: Path, source: list[str], output: list[str], cpu_seconds: float, wall_seconds: float | None = None
) -> Iterator[Ffmpeg]:
    """A running ffmpeg that reads a file; ended with its process group after the block, or by its wall clock."""
    allowed = ["-protocol_whitelist", "file,pipe", "-format_whitelist", ",".join(TAKEN)]
    plain = ["-vn", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"]
    arguments = ["-nostdin", "-v", "info", "-copyts", *allowed, *source, "-i", f"file:{path}", *plain, *output]
    process = _start(arguments, cpu_seconds, writes=False)
    with _ended_after(process), _killed_after(process, wall_seconds):
        yield process


@contextmanager
def writing(source: list[str], output: list[str], target: Path, cpu_seconds: float) -> Iterator[Ffmpeg]:
    """A running ffmpeg that writes what it gets on stdin to a file."""
    arguments = ["-v", "error", *source, "-i", "pipe:0", *output, "-y", f"file:{target}"]
    process = _start(arguments, cpu_seconds, writes=True)
    with _ended_after(process):
        yield process


def _start(arguments: list[str], cpu_seconds: float, writes: bool) -> Ffmpeg:
    process = Ffmpeg(
        [*_limits(cpu_seconds, writes), find_ffmpeg(), "-hide_banner", "-nostats", "-threads", "1", *arguments],
        stdin=subprocess.PIPE if writes else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if writes else subprocess.PIPE,
        stderr=subprocess.DEVNULL if writes else subprocess.PIPE,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        start_new_session=True,
    )
    process.cpu_limit = int(cpu_seconds)
    return process


@contextmanager
def _ended_after(process: Ffmpeg) -> Iterator[None]:
    try:
        yield
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        if process.poll() is None:
            _end_soon(process)


@contextmanager
def _killed_after(process: Ffmpeg, seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return
    alarm = threading.Timer(seconds, process.end_its_time)
    alarm.daemon = True
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()


def _end_soon(process: Ffmpeg) -> None:
    """A child whose reader is gone ends by itself, or is made to."""
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        process.kill_group()
        process.wait()


def _limits(cpu_seconds: float, writes: bool) -> list[str]:
    """A shell that limits itself and becomes the command: no code runs between fork and exec in our threads."""
    written = COPY_BYTES // 512 if writes else 0
    limits = f"ulimit -v {ADDRESS_SPACE_KIB}; ulimit -t {int(cpu_seconds)}; ulimit -f {written}; ulimit -n 32; "
    return [*without_network(), "/bin/sh", "-c", limits + 'ulimit -c 0; exec "$0" "$@"']


@cache
def without_network() -> tuple[str, ...]:
    """A prefix that takes the network away, where this system lets us."""
    prefix = ("unshare", "--user", "--net")
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return ()
    return prefix


def last_line(report: str) -> str:
    lines = [line for line in report.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""

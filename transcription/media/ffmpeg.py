"""Runs ffmpeg on untrusted media in a restricted process.

Address space, CPU time, wall time, open files and what it writes are limited; it has its own process group, can use the
protocols `file:` and `pipe:` and an allow-list of demuxers (`formats`), and has no network if the system allows.
"""

from __future__ import annotations

import logging
import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from transcription.media.errors import DecoderDied, MediaError
from transcription.media.formats import ALLOWED_DEMUXERS
from transcription.media.heads import WHOLE, Part

log = logging.getLogger(__name__)

ADDRESS_SPACE_KIB = 1_500_000
READ_BYTES = 1 << 16
REPORT_BYTES = 8 * 1024 * 1024
REPORT_END_BYTES = 1 << 16
COPY_BYTES = 2 * 1024**3
GRACE_CPU_SECONDS = 5

CPU_LIMIT_MESSAGE = re.compile(rf"^Exiting normally, received signal {int(signal.SIGXCPU)}\.", re.MULTILINE)
SIGNAL_MESSAGE = re.compile(r"^(Exiting normally, received signal|Received > \d+ system signals)", re.MULTILINE)
NO_MEMORY = re.compile(r"^\S.*Cannot allocate memory$", re.MULTILINE)
SIGNAL_EXIT_STATUSES = (123, 255)
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)


@cache
def find_ffmpeg() -> str:
    """Returns the path of ffmpeg: on PATH, else that of imageio-ffmpeg."""
    path = shutil.which("ffmpeg")
    if path:
        return path
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


class Ffmpeg(subprocess.Popen[bytes]):
    """One ffmpeg in its own process group. Its exit status is known after `wait_for_exit`."""

    cpu_limit = 0.0
    cpu_seconds = 0.0
    timed_out = False

    def chunks(self) -> Iterator[bytes]:
        """Yields stdout as it is written. `report` has what was written to stderr before."""
        assert self.stdout is not None
        assert self.stderr is not None
        self._head, self._tail = bytearray(), bytearray()
        with selectors.DefaultSelector() as pipes:
            for pipe in (self.stdout, self.stderr):
                os.set_blocking(pipe.fileno(), False)
                pipes.register(pipe, selectors.EVENT_READ)
            while pipes.get_map():
                ready = [key.fileobj for key, _events in pipes.select()]
                if self.stderr in pipes.get_map() and not self._read_report(self.stderr.fileno()):
                    pipes.unregister(self.stderr)
                if self.stdout in ready:
                    if chunk := os.read(self.stdout.fileno(), READ_BYTES):
                        yield chunk
                    else:
                        pipes.unregister(self.stdout)

    def _read_report(self, pipe: int) -> bool:
        """Reads stderr, keeping its head and tail; returns False if it was closed."""
        with suppress(BlockingIOError):
            while data := os.read(pipe, READ_BYTES):
                left = REPORT_BYTES - len(self._head)
                self._head += data[:left]
                self._tail = (self._tail + data[left:])[-REPORT_END_BYTES:]
            return False
        return True

    @property
    def report(self) -> str:
        return (self._head + self._tail).decode("utf-8", "replace")

    def wait_for_exit(self) -> int:
        """Waits for the process and returns its exit status, negative for a signal."""
        if self.returncode is None:
            _pid, status, used = os.wait4(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_seconds = used.ru_utime + used.ru_stime
        return self.returncode

    def check_exit(self, report: str | None = None) -> None:
        """Waits for the process. A damaged file is no error, since ffmpeg ends by itself with a message.

        Raises MediaError if it exceeded a limit, and DecoderDied if it was killed.
        """
        status = self.wait_for_exit()
        if self.exceeded_limit(report or ""):
            raise MediaError("too_complex", f"ffmpeg took {self.cpu_seconds:.0f} s. {last_line(report or '')}")
        if self.was_killed(report):
            raise DecoderDied(f"ffmpeg was ended by a signal: {status}.")

    def kill_group(self) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def expire(self) -> None:
        self.timed_out = True
        self.kill_group()

    def exceeded_limit(self, report: str) -> bool:
        """Returns whether it exceeded CPU time, memory or output size, as any attempt would.

        The wall time counts only if it used much CPU time; otherwise the machine was too busy. The CPU time that the
        system reports may be less than what its limit counts, so that the signal is what tells.
        """
        if self.returncode == 0:
            return False
        used_up = self.cpu_seconds >= self.cpu_limit * (0.5 if self.timed_out else 0.9)
        signalled = -self.returncode in (signal.SIGXCPU, signal.SIGXFSZ) or bool(CPU_LIMIT_MESSAGE.search(report))
        return used_up or signalled or bool(NO_MEMORY.search(report))

    def was_killed(self, report: str | None) -> bool:
        """Returns whether an outside signal ended it. `report` is its stderr, None if that isn't read.

        After a signal ffmpeg may exit by itself, while it opens its input even with the status of a damaged file: then
        only the report tells.
        """
        if self.returncode > 0:
            return self.returncode in SIGNAL_EXIT_STATUSES if report is None else bool(SIGNAL_MESSAGE.search(report))
        return self.returncode < 0 and -self.returncode not in CRASHES

    @property
    def crashed(self) -> bool:
        return -self.returncode in CRASHES


@contextmanager
def decoder(
    path: Path,
    source: list[str],
    output: list[str],
    cpu_seconds: float,
    wall_seconds: float | None = None,
    part: Part = WHOLE,
) -> Iterator[Ffmpeg]:
    """Runs an ffmpeg that reads a file; kills its process group after the block or after `wall_seconds`."""
    plain = ["-vn", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"]
    with _address(path, part) as (protocols, url):
        allowed = reading(ALLOWED_DEMUXERS, protocols)
        arguments = ["-nostdin", "-v", "info", "-copyts", *allowed, *source, "-i", url, *plain, *output]
        process = _start(arguments, cpu_seconds)
        with _terminated_after(process), _killed_after(process, wall_seconds):
            yield process


@contextmanager
def _address(path: Path, part: Part) -> Iterator[tuple[str, str]]:
    """Yields the protocols that reading a part takes, and its address."""
    if part == WHOLE:
        yield "file,pipe", f"file:{path}"
        return
    spans = [f"subfile,,start,{start},end,{end},,:file:{path}" for start, end in part.spans]
    if len(spans) == 1 and not part.head:
        yield "file,subfile", spans[0]
        return
    if "|" in str(path):
        raise ValueError("ffmpeg takes no | in the path of a file that is read in pieces")
    with tempfile.NamedTemporaryFile() as head:
        head.write(part.head)
        head.flush()
        urls = [f"file:{head.name}", *spans] if part.head else spans
        yield "file,pipe,subfile,concat", f"concat:{'|'.join(urls)}"


@contextmanager
def encoder(source: list[str], output: list[str], target: Path, cpu_seconds: float) -> Iterator[Ffmpeg]:
    """Runs an ffmpeg that encodes its stdin to a file."""
    arguments = ["-v", "error", *source, "-i", "pipe:0", *output, "-y", f"file:{target}"]
    process = _start(arguments, cpu_seconds, COPY_BYTES, is_fed=True)
    with _terminated_after(process):
        yield process


@contextmanager
def converter(
    inputs: list[str], output: list[str], target: Path, cpu_seconds: float, wall_seconds: float, most_bytes: int
) -> Iterator[Ffmpeg]:
    """Runs an ffmpeg that makes one file of others, with less right to the processor than what people wait for.

    Its stdout says how far it is, as `-progress` does. `inputs` are options and `-i` of each, with those of `reading`.
    It runs in the folder of `target`, so that a filter may name a file there.
    """
    arguments = ["-nostdin", "-v", "info", "-progress", "pipe:1", *inputs, *output, "-y", f"file:{target}"]
    process = _start(arguments, cpu_seconds, most_bytes, folder=target.parent)
    with _terminated_after(process), _killed_after(process, wall_seconds):
        yield process


def reading(demuxers: Iterable[str], protocols: str = "file,pipe") -> list[str]:
    """Returns the options of an input that may be of these formats only."""
    return ["-protocol_whitelist", protocols, "-format_whitelist", ",".join(demuxers)]


def _start(
    arguments: list[str], cpu_seconds: float, most_bytes: int = 0, *, is_fed: bool = False, folder: Path | None = None
) -> Ffmpeg:
    """most_bytes: that it may write to files. is_fed: through stdin, silently. folder: where it runs, patiently."""
    limits = _limits(cpu_seconds, most_bytes, "nice -n 15 " if folder else "")
    process = Ffmpeg(
        [*limits, find_ffmpeg(), "-hide_banner", "-nostats", "-threads", "1", *arguments],
        stdin=subprocess.PIPE if is_fed else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if is_fed else subprocess.PIPE,
        stderr=subprocess.DEVNULL if is_fed else subprocess.PIPE,
        cwd=folder,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        start_new_session=True,
    )
    process.cpu_limit = int(cpu_seconds)
    return process


@contextmanager
def _terminated_after(process: Ffmpeg) -> Iterator[None]:
    try:
        yield
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        if process.poll() is None:
            _terminate(process)


@contextmanager
def _killed_after(process: Ffmpeg, seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return
    alarm = threading.Timer(seconds, process.expire)
    alarm.daemon = True
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()


def _terminate(process: Ffmpeg) -> None:
    """Waits briefly for a process whose pipes are closed, then kills it."""
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        process.kill_group()
        process.wait()


def _limits(cpu_seconds: float, most_bytes: int, through: str) -> list[str]:
    """Returns a shell prefix that sets limits and execs the command, which is safer than code between fork and exec.

    At the CPU time's hard limit a process is killed as anybody may kill it; the soft one before has its own signal.
    """
    written = -(-most_bytes // 512)
    cpu = f"ulimit -S -t {int(cpu_seconds)}; ulimit -H -t {int(cpu_seconds) + GRACE_CPU_SECONDS}; "
    limits = f"ulimit -v {ADDRESS_SPACE_KIB}; {cpu}ulimit -f {written}; ulimit -n 32; "
    return [*without_network(), "/bin/sh", "-c", limits + f'ulimit -c 0; exec {through}"$0" "$@"']


@cache
def without_network() -> tuple[str, ...]:
    """Returns a command prefix that removes the network, empty if the system doesn't allow it."""
    prefix = ("unshare", "--user", "--net")
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        log.warning("The system allows no namespaces: ffmpeg reads strangers' files with a network.")
        return ()
    return prefix


def last_line(report: str) -> str:
    lines = [line for line in report.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""

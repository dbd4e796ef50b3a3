"""A contestant as its caller sees it: a process at the other end of two pipes, which `serve` describes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from benchmarks.contestants.entries import ROOT, Entry
from benchmarks.contestants.serve import Said

LAST_LINES = 5


class ContestantError(Exception):
    """A contestant ended before it answered."""


@dataclass(frozen=True)
class Heard:
    """seconds: the contestant's own. processor_seconds: of all its processes and threads."""

    seconds: float
    processor_seconds: float
    recordings: list[list[Said]]

    @property
    def texts(self) -> list[str]:
        return ["".join(each["text"] for each in segments).strip() for segments in self.recordings]


class Contestant:
    def __init__(self, title: str, process: subprocess.Popen[str], log: Path) -> None:
        """Waits until it is ready. Raises ContestantError."""
        self.title = title
        self._process = process
        self._log = log
        self.version = str(self._answer()["version"])

    def hear(self, recordings: Sequence[Path]) -> Heard:
        """Files of 16 kHz mono s16le, which arrive at once. Raises ContestantError."""
        before = self._processor_seconds()
        requests = self._process.stdin
        assert requests is not None
        try:
            requests.write(json.dumps({"audio": [str(path) for path in recordings]}) + "\n")
            requests.flush()
        except BrokenPipeError:
            raise self._ended() from None
        answer = self._answer()
        return Heard(answer["seconds"], self._processor_seconds() - before, answer["recordings"])

    def peak_mib(self) -> float:
        """The most memory that its processes have held so far, each at its own worst moment; 0 but on Linux."""
        return sum(_peak_kib(process.pid) for process in self._family()) / 1024

    def _answer(self) -> dict[str, Any]:
        answers = self._process.stdout
        assert answers is not None
        line = answers.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ended(self) -> ContestantError:
        code = self._process.wait()
        said = self._log.read_text(errors="replace").strip().splitlines()[-LAST_LINES:]
        return ContestantError(f"{self.title} ended with code {code}: {' / '.join(said)}")

    def _processor_seconds(self) -> float:
        times = [process.cpu_times() for process in self._family()]
        return sum(float(each.user + each.system) for each in times)

    def _family(self) -> list[psutil.Process]:
        own = psutil.Process(self._process.pid)
        return [own, *own.children(recursive=True)]


@contextmanager
def started(entry: Entry, model: str, threads: int, logs: Path) -> Iterator[Contestant]:
    """The entry's contestant, ready; its errors are in a file in `logs`. Raises ContestantError."""
    log = logs / f"{entry.system}.log"
    command = [str(entry.python), "-m", "benchmarks.contestants.serve"]
    command += [entry.system, model, str(entry.files), str(threads)]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=_environment(entry),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield Contestant(entry.title, process, log)
    finally:
        _end(process)


def _environment(entry: Entry) -> dict[str, str]:
    """For others' nothing of the caller's that is Python's or OpenMP's; whisper.cpp's libraries lie beside it."""
    if entry.is_ours:
        return dict(os.environ)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "OMP_"))}
    libraries = next(iter((entry.python.parents[1] / "lib").glob("python*/site-packages")), Path())
    return kept | {"LD_LIBRARY_PATH": str(libraries), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}


def _end(process: subprocess.Popen[str]) -> None:
    """It ends with its input; an engine of ours ends with it."""
    for pipe in (process.stdin, process.stdout):
        _close(pipe)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _close(pipe: IO[str] | None) -> None:
    try:
        if pipe:
            pipe.close()
    except BrokenPipeError:
        pass


def _peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)

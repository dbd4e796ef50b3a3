"""A contestant's process: `python -m benchmarks.contestants.serve SYSTEM MODEL FILES THREADS`.

It says `{"version": …}` when it is ready. Then each line of its input, `{"audio": [PATH, …]}`, names recordings that
arrive at once, as 16 kHz mono s16le; its answer is `{"seconds": …, "recordings": [[{"start", "end", "text"}, …], …]}`,
seconds being its own, without reading the files. It ends with its input. It runs in the contestants' environment for
others' systems, and imports nothing that this lacks.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Said = dict[str, Any]
"""A segment: start and end in seconds, and text."""

Transcribe = Callable[[Sequence[NDArray[np.int16]]], list[list[Said]]]
"""Transcribes recordings that arrive at once; the segments of each."""


class Setting(NamedTuple):
    """model: its name. files: where the weights are, in the form that the system takes."""

    model: str
    files: Path
    threads: int


class System(NamedTuple):
    version: str
    transcribe: Transcribe


Open = Callable[[Setting], AbstractContextManager[System]]


def said(start: float, end: float, text: str) -> Said:
    return {"start": start, "end": end, "text": text}


def serve(opened: AbstractContextManager[System], requests: IO[str], answers: IO[str]) -> None:
    """Answer requests until there are no more."""
    with opened as system:
        _say(answers, {"version": system.version})
        for line in requests:
            recordings = [np.fromfile(path, dtype="<i2") for path in json.loads(line)["audio"]]
            began = time.perf_counter()
            heard = system.transcribe(recordings)
            _say(answers, {"seconds": time.perf_counter() - began, "recordings": heard})


def _say(answers: IO[str], message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


@contextmanager
def _pipe() -> Iterator[IO[str]]:
    """What was the output; whatever libraries print goes to the errors."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        yield answers


def main() -> None:
    system, model, files, threads = sys.argv[1:]
    with _pipe() as answers:
        if system.startswith("ours-"):
            from benchmarks.contestants.ours import OURS as known
        else:
            from benchmarks.contestants.systems import SYSTEMS as known
        serve(known[system](Setting(model, Path(files), int(threads))), sys.stdin, answers)


if __name__ == "__main__":
    main()

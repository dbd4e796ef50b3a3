"""Prints what the processes log, each line with the process's name, and keeps it in a file for each of them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from transcription.redaction import redact

FILE_BYTES = 10 * 1024 * 1024
NAME_WIDTH = 10


class LogPipe:
    """The pipe that a process writes its output to. It stays open while the process is started again.

    With `is_printed` False, lines go to the file only.
    """

    def __init__(self, name: str, folder: Path, is_printed: bool = True) -> None:
        self.name = name
        self.is_printed = is_printed
        self.read_fd, self.write_fd = os.pipe()
        self._file = folder / f"{name}.log"
        self._rest = b""

    def forward(self) -> None:
        """Redacts the whole lines that have arrived, and writes them to the terminal and the file."""
        *lines, self._rest = (self._rest + os.read(self.read_fd, 65536)).split(b"\n")
        if not lines:
            return
        lines = redact(b"\n".join(lines).decode(errors="replace")).encode().split(b"\n")
        if self.is_printed:
            _print(b"".join(b"%-*s| %s\n" % (NAME_WIDTH, self.name.encode(), line) for line in lines))
        with suppress(OSError):  # a full disk does not keep lines from the terminal
            self._append(b"".join(line + b"\n" for line in lines))

    def _append(self, text: bytes) -> None:
        """Keeps one older file when this one exceeds FILE_BYTES."""
        with self._file.open("ab") as file:
            file.write(text)
            size = file.tell()
        if size > FILE_BYTES:
            self._file.replace(self._file.with_suffix(".log.1"))


def say(text: str) -> None:
    """Prints a line of the supervisor's own, redacted."""
    _print(f"{redact(text)}\n".encode())


def _print(text: bytes) -> None:
    with suppress(OSError):  # the terminal is gone
        sys.stdout.flush()
        os.write(sys.stdout.fileno(), text)

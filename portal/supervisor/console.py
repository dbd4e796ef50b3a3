"""What the children say: on the terminal with the speaker's name, and in a file of each one's own."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from transcription.redaction import redact

FILE_BYTES = 10 * 1024 * 1024
NAME_WIDTH = 10


class Voice:
    """One child's output, from a pipe that stays open while the child is started again."""

    def __init__(self, name: str, folder: Path, loud: bool = True) -> None:
        self.name = name
        self.loud = loud
        self.ear, self.mouth = os.pipe()
        self._file = folder / f"{name}.log"
        self._rest = b""

    def listen(self) -> None:
        """Passes on the whole lines that have arrived."""
        *lines, self._rest = (self._rest + os.read(self.ear, 65536)).split(b"\n")
        if not lines:
            return
        lines = redact(b"\n".join(lines).decode(errors="replace")).encode().split(b"\n")
        if self.loud:
            _print(b"".join(b"%-*s| %s\n" % (NAME_WIDTH, self.name.encode(), line) for line in lines))
        with suppress(OSError):  # a full disk is no reason to be silent on the terminal
            self._keep(b"".join(line + b"\n" for line in lines))

    def _keep(self, text: bytes) -> None:
        with self._file.open("ab") as file:
            file.write(text)
            size = file.tell()
        if size > FILE_BYTES:
            self._file.replace(self._file.with_suffix(".log.1"))


def say(text: str) -> None:
    """The supervisor's own word."""
    _print(f"{redact(text)}\n".encode())


def _print(text: bytes) -> None:
    with suppress(OSError):  # nobody reads any more
        sys.stdout.flush()
        os.write(sys.stdout.fileno(), text)

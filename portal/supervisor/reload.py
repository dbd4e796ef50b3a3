"""Notices changed source files, for `make dev`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

SUFFIXES = {".py", ".html", ".txt", ".js", ".css", ".svg", ".mo"}


class SourceFiles:
    """Everything in `folders` that a web process reads once, when it starts."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = list(folders)
        self._written_at = self._read_times()

    def have_changed(self) -> bool:
        """Returns whether a file was written, added or removed since the last call."""
        before, self._written_at = self._written_at, self._read_times()
        return before != self._written_at

    def _read_times(self) -> dict[Path, int]:
        times: dict[Path, int] = {}
        for folder in self._folders:
            for file in folder.rglob("*"):
                if file.suffix in SUFFIXES:
                    try:
                        times[file] = file.stat().st_mtime_ns
                    except FileNotFoundError:  # an editor is replacing it
                        continue
        return times

"""Lets a test decide when the scripted engine decodes: files in one folder, read by the engine's process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


class EngineControl:
    """Holds the engine of one stack before its next batch, and lets single batches pass."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held = folder / "held"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds all batches; those that wait go on at the end."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._held.touch()
        try:
            yield
        finally:
            self.release()

    def allow(self, batches: int) -> None:
        """Lets so many batches pass while the engine is held."""
        for _batch in range(batches):
            (self._folder / f"permit-{uuid4().hex}").touch()

    def release(self) -> None:
        """Lets everything pass."""
        self._held.unlink(missing_ok=True)
        for permit in self._folder.glob("permit-*"):
            permit.unlink(missing_ok=True)

    def may_pass(self) -> bool:
        """Whether a batch may be decoded now. Uses up one permit while the engine is held."""
        if not self._held.exists():
            return True
        for permit in self._folder.glob("permit-*"):
            try:
                permit.unlink()
            except FileNotFoundError:
                continue
            return True
        return False

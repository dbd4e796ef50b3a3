"""What the harness asks of the processes under test: a file each, taken by whoever comes first."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER_VARIABLE = "CHAOS_FOLDER"


@dataclass(frozen=True)
class Note:
    """Left by a process that carried out an order: when, and for which attempt where there was one."""

    name: str
    moment: float
    pid: int
    transcription: str = ""
    fence: int = 0


class Orders:
    """Orders wait in one folder; notes of those carried out lie in another."""

    def __init__(self, folder: Path) -> None:
        self._waiting = folder / "orders"
        self._notes = folder / "notes"
        for place in (self._waiting, self._notes):
            place.mkdir(parents=True, exist_ok=True)

    @classmethod
    def of_this_run(cls) -> Orders:
        return cls(Path(os.environ[FOLDER_VARIABLE]))

    def give(self, name: str) -> None:
        (self._waiting / name).touch()

    def withdraw(self, name: str) -> bool:
        """False where somebody has taken it."""
        return self._remove(name)

    def take(self, name: str, transcription: str = "", fence: int = 0) -> bool:
        """Whether there was such an order, which is gone now; then a note says who took it."""
        if not self._remove(name):
            return False
        note = Note(name, time.time(), os.getpid(), transcription, fence)
        fresh = self._notes / f".{note.pid}"
        fresh.write_text(json.dumps(asdict(note)))
        fresh.replace(self._notes / f"{note.moment:.6f}-{note.pid}.json")
        return True

    def notes(self) -> list[Note]:
        """In the order of time."""
        return [Note(**json.loads(file.read_text())) for file in sorted(self._notes.glob("*.json"))]

    def _remove(self, name: str) -> bool:
        try:
            (self._waiting / name).unlink()
        except FileNotFoundError:
            return False
        return True


def die() -> None:
    """As the kernel's out-of-memory killer would have it."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)

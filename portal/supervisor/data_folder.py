"""Checks the data folder of an installation, and locks it: it belongs to one supervisor at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEAST_FREE_MIB = 64


class FolderRefused(Exception):
    """The data folder can't be used, for the reason given."""


@contextmanager
def lock_folder(folder: Path, note: str) -> Iterator[None]:
    """Locks `folder`, and leaves `note` in it for the message to a second supervisor. Raises FolderRefused."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / "portal.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FolderRefused(f"{folder} can't be written: {error.strerror}.") from None
    try:
        _lock(file, folder)
        _check_room(folder)
        os.ftruncate(file, 0)
        os.pwrite(file, note.encode(), 0)
        yield
    finally:
        os.close(file)


def _lock(file: int, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        note = os.pread(file, 200, 0).decode()
        raise FolderRefused(f"Whisper Portal is running already with {folder}: {note}") from None


def _check_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free // 1024**2
    if free < LEAST_FREE_MIB:
        raise FolderRefused(f"The disk of {folder} is full: {free} MiB are free, at least {LEAST_FREE_MIB} are needed.")

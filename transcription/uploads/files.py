"""The bytes of uploads on this machine's disk: one file each, in UPLOADS_DIR, named by the upload's id.

A file's size is the upload's offset, and its time of change the beginning of its last day: nothing else notes them,
so nothing can disagree with them. Whoever writes, accepts or deletes holds the file's lock (flock), which the kernel
drops with its process, and which all processes and hosts that can reach the bytes share.

Bytes are forced to disk every SYNC_BYTES and before an offset is told to anybody: an offset that a client has heard
never goes back, not even when the power fails. A killed process loses nothing that `write` was given.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings

KEPT = timedelta(hours=24)
SYNC_BYTES = 16 * 1024 * 1024
FREE_BYTES = 256 * 1024 * 1024


class Locked(Exception):
    """Somebody else is writing, accepting or deleting it just now."""


class Gone(Exception):
    """Its file is no longer there."""


class TooMuch(Exception):
    """More bytes came than were announced; what fits was kept."""


class Slot:
    """An upload's file, open and locked until `close`.

    Whoever is in the middle of something with it keeps it open until that is done: a request that is cancelled leaves
    its thread behind, which must not write to a descriptor that is another file's by now.
    """

    def __init__(self, upload_id: UUID, length: int) -> None:
        """Raises Locked and Gone."""
        self.upload_id, self.length = upload_id, length
        self._guard, self._users, self._closing = threading.Lock(), 0, False
        self._descriptor = _opened(_path(upload_id), os.O_RDWR | os.O_APPEND)
        try:
            _lock(self._descriptor)
            self.size = os.fstat(self._descriptor).st_size
        except BaseException:
            self.close()
            raise
        self._synced = self.size

    @property
    def is_whole(self) -> bool:
        return self.size >= self.length

    def write(self, data: bytes) -> None:
        """Raises TooMuch, Gone after `close`, and OSError where the disk is full."""
        fitting = memoryview(data)[: max(0, self.length - self.size)]
        rest = fitting
        with self.held():
            while rest:
                written = os.write(self._descriptor, rest)
                self.size += written
                rest = rest[written:]
        if self.size - self._synced >= SYNC_BYTES:
            self.sync()
        if len(fitting) < len(data):
            raise TooMuch

    def sync(self) -> None:
        """Returns when all that was written lies on the disk. Raises OSError, and Gone after `close`."""
        with self.held():
            os.fdatasync(self._descriptor)
            self._synced = self.size

    def drop(self) -> None:
        """Deletes the file; whoever waits for it with an open descriptor finds it Gone."""
        drop(self.upload_id)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Open and locked while the block runs, whoever calls `close` meanwhile. Raises Gone after `close`."""
        with self._guard:
            if self._closing:
                raise Gone
            self._users += 1
        try:
            yield
        finally:
            with self._guard:
                self._users -= 1
                self._close_unless_used()

    def close(self) -> None:
        with self._guard:
            self._closing = True
            self._close_unless_used()

    def _close_unless_used(self) -> None:
        if self._closing and not self._users and self._descriptor >= 0:
            # Closing alone would leave the lock to whatever another thread is just starting: between its fork and its
            # exec a child has a copy of the descriptor.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = -1


def fresh_expiry() -> datetime:
    """A day from now."""
    return datetime.now(UTC) + KEPT


def create(upload_id: UUID) -> None:
    """An empty file, whose name is on disk when this returns. Raises OSError."""
    folder = settings.UPLOADS_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(_path(upload_id), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def offset(upload_id: UUID) -> int:
    """How many bytes lie safely on the disk. Raises Gone."""
    descriptor = _opened(_path(upload_id), os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    return size


def size(upload_id: UUID) -> int:
    """How many bytes have come, on the disk or on their way there; 0 without a file."""
    try:
        return _path(upload_id).stat().st_size
    except FileNotFoundError:
        return 0


def expires_at(upload_id: UUID) -> datetime | None:
    """A day after its last byte; None without a file."""
    try:
        changed = _path(upload_id).stat().st_mtime
    except FileNotFoundError:
        return None
    return datetime.fromtimestamp(changed, UTC) + KEPT


def has_room(length: int) -> bool:
    """Whether the disk has room for so many more bytes, and some to spare."""
    settings.UPLOADS_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    return shutil.disk_usage(settings.UPLOADS_DIR).free >= length + FREE_BYTES


@contextmanager
def lent(upload_id: UUID) -> Iterator[Path]:
    """A second name of a file, for somebody who moves it away; its first stays. Call with its lock held.

    The file counts as changed now: media with an old time and no row is taken for an orphan. Raises Gone.
    """
    own, second = _path(upload_id), _path(upload_id).with_suffix(".lent")
    second.unlink(missing_ok=True)
    try:
        os.utime(own)
        _link(own, second)
    except FileNotFoundError:
        raise Gone from None
    try:
        yield second
    finally:
        second.unlink(missing_ok=True)


def _link(own: Path, second: Path) -> None:
    try:
        second.hardlink_to(own)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        shutil.copyfile(own, second)  # a file system without second names


def drop(upload_id: UUID) -> None:
    _path(upload_id).with_suffix(".lent").unlink(missing_ok=True)
    _path(upload_id).unlink(missing_ok=True)


def strays(known: set[UUID]) -> Iterator[UUID]:
    """Files of a day's age and more that belong to none of the `known` uploads."""
    oldest = time.time() - KEPT.total_seconds()
    for path in settings.UPLOADS_DIR.glob("*"):
        with suppress(FileNotFoundError, ValueError):
            if (upload_id := UUID(path.stem)) not in known and path.stat().st_mtime < oldest:
                yield upload_id


def _path(upload_id: UUID) -> Path:
    return Path(settings.UPLOADS_DIR) / str(upload_id)


def _opened(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Gone from None


def _lock(descriptor: int) -> None:
    """An open file's own lock, so it holds between two requests of one process too. Raises Locked and Gone."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Locked from None
    if os.fstat(descriptor).st_nlink == 0:
        raise Gone

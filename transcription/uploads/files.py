"""The bytes of uploads on this machine's disk: one file each, in UPLOADS_DIR, named by the upload's id.

A file's size is the upload's offset, and its modification time plus KEPT is when the upload expires; neither is stored
anywhere else. Whoever writes, accepts or deletes holds the file's lock (flock), which the kernel releases with its
process, and which all processes and hosts that can reach the bytes share.

Bytes are synced to disk every SYNC_BYTES and before an offset is returned: an offset that a client has read never goes
back, not even after a power failure. A killed process loses nothing that `write` was given.
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
    """Another request or process writes, accepts or deletes the file now."""


class Gone(Exception):
    """The file does not exist any more."""


class TooMuch(Exception):
    """More bytes came than were announced; those that fit were written."""


class LockedFile:
    """An upload's file, open and locked until `close`.

    An operation under way keeps it open until it is done: a cancelled request leaves a thread behind, which must not
    write to a descriptor that belongs to another file by now.
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
        """Returns when all that was written is on the disk. Raises OSError, and Gone after `close`."""
        with self.held():
            os.fdatasync(self._descriptor)
            self._synced = self.size

    def drop(self) -> None:
        """Deletes the file; whoever opens or locks it afterwards gets Gone."""
        drop(self.upload_id)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps the file open and locked while the block runs, even if `close` is called. Raises Gone after `close`."""
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
    """Returns the time a day from now."""
    return datetime.now(UTC) + KEPT


def create(upload_id: UUID) -> None:
    """Creates an empty file, whose name is on disk when this returns. Raises OSError."""
    folder = settings.UPLOADS_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(_path(upload_id), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def offset(upload_id: UUID) -> int:
    """Returns how many bytes are safely on the disk. Raises Gone."""
    descriptor = _opened(_path(upload_id), os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    return size


def size(upload_id: UUID) -> int:
    """Returns how many bytes were written, synced or not; 0 without a file."""
    try:
        return _path(upload_id).stat().st_size
    except FileNotFoundError:
        return 0


def expires_at(upload_id: UUID) -> datetime | None:
    """Returns the time a day after the last byte; None without a file."""
    try:
        changed = _path(upload_id).stat().st_mtime
    except FileNotFoundError:
        return None
    return datetime.fromtimestamp(changed, UTC) + KEPT


def has_room(length: int) -> bool:
    """Returns whether the disk has room for so many more bytes, and FREE_BYTES to spare."""
    settings.UPLOADS_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    return shutil.disk_usage(settings.UPLOADS_DIR).free >= length + FREE_BYTES


@contextmanager
def lent(upload_id: UUID) -> Iterator[Path]:
    """Gives a file a second name, under which it may be moved away. Call with the file locked. Raises Gone.

    Sets its modification time to now: old media without a row are deleted as orphans.
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
    """Yields the ids of files older than a day that belong to none of the `known` uploads."""
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
    """Locks the open file, between requests of one process too. Raises Locked and Gone."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Locked from None
    if os.fstat(descriptor).st_nlink == 0:
        raise Gone

"""Folders under EXCHANGE_ROOT. Each step is opened from the one before and is no link, so that none leads outside."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.utils.translation import gettext as _

from transcription.errors import InvalidOption
from transcription.outbound.errors import OutboundError

IN, OUT, DONE, FAILED = "in", "out", "done", "failed"
LONGEST_STEP = 100
UNFINISHED = (".part", ".tmp", ".filepart", ".crdownload", ".partial")
"""How programs call what they are still writing."""
LISTED = 500
MOST_ENTRIES = 10_000


@dataclass(frozen=True)
class Found:
    """A regular file; `version` changes when it is written to."""

    name: str
    size: int
    version: str

    @classmethod
    def of(cls, name: str, facts: os.stat_result) -> Found:
        return cls(name, facts.st_size, f"{facts.st_ino}-{facts.st_mtime_ns}-{facts.st_size}")


def is_allowed() -> bool:
    """Returns whether whoever runs the portal gives tenants folders."""
    return bool(settings.EXCHANGE_ROOT)


def checked_path(text: str) -> str:
    """Returns a path below a tenant's folder, without `..` and the like. Raises InvalidOption."""
    steps = [step for step in text.strip().strip("/").split("/") if step]
    for step in steps:
        if step.startswith(".") or len(step) > LONGEST_STEP or not step.isprintable() or "\\" in step:
            message = _("A folder’s name has from 1 to %(n)d printable characters, and begins with no dot.")
            raise InvalidOption("path", message % {"n": LONGEST_STEP})
    return "/".join(steps)


@contextmanager
def opened(tenant_id: UUID, path: str, part: str) -> Iterator[int]:
    """Yields the descriptor of a folder of a tenant's, which is made where there is none. Raises OutboundError."""
    try:
        folder = os.open(settings.EXCHANGE_ROOT, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for step in (str(tenant_id), *filter(None, path.split("/")), part):
                with suppress(FileExistsError):
                    os.mkdir(step, 0o770, dir_fd=folder)
                below = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)
    except OSError as error:
        message = _("The server’s folder can’t be used: %(reason)s.") % {"reason": error.strerror or str(error)}
        raise OutboundError("folder", message, may_succeed_later=True) from error


def sizes_of(tenant_id: UUID) -> Iterator[int]:
    """Yields the bytes of each file in a tenant's folder; follows no link. Raises OSError."""
    with _root() as root, suppress(FileNotFoundError):
        if root is not None:
            for _path, _folders, names, folder in os.fwalk(str(tenant_id), onerror=_raise_if_there, dir_fd=root):
                for name in names:
                    with suppress(FileNotFoundError):
                        yield os.stat(name, dir_fd=folder, follow_symlinks=False).st_size


def erase(tenant_id: UUID) -> None:
    """Erases a tenant's folder with all that lies there; of a link the link. Raises OSError."""
    with _root() as root, suppress(FileNotFoundError):
        if root is None:
            return
        if stat.S_ISDIR(os.stat(str(tenant_id), dir_fd=root, follow_symlinks=False).st_mode):
            shutil.rmtree(str(tenant_id), dir_fd=root)
        else:
            os.unlink(str(tenant_id), dir_fd=root)


@contextmanager
def _root() -> Iterator[int | None]:
    """Yields the descriptor of EXCHANGE_ROOT; None without one."""
    if not is_allowed():
        yield None
        return
    root = os.open(settings.EXCHANGE_ROOT, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield root
    finally:
        os.close(root)


def _raise_if_there(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def write(folder: int, name: str, body: bytes) -> None:
    """Writes a file in the place of whatever is there, whole or not at all. Raises OSError."""
    scratch = f".{uuid4().hex}.part"
    try:
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660, dir_fd=folder), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.rename(scratch, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(scratch, dir_fd=folder)
        raise


def remove(folder: int, name: str) -> None:
    """Raises OSError."""
    os.unlink(name, dir_fd=folder)


def files(folder: int, is_wanted: Callable[[Found], bool]) -> list[Found]:
    """Returns up to LISTED wanted regular files, not hidden and not called unfinished, among the first MOST_ENTRIES.

    Raises OSError.
    """
    found: list[Found] = []
    with os.scandir(folder) as entries:
        for entry in islice(entries, MOST_ENTRIES):
            if entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED) or not _is_text(entry.name):
                continue
            with suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    one = Found.of(entry.name, os.stat(entry.name, dir_fd=folder, follow_symlinks=False))
                    found += [one] if is_wanted(one) else []
            if len(found) >= LISTED:
                break
    return found


def look(folder: int, name: str) -> Found | None:
    """Returns a file as it is now; None if it is gone, or no regular file."""
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return Found.of(name, facts) if stat.S_ISREG(facts.st_mode) else None


@contextmanager
def reading(folder: int, name: str) -> Iterator[int]:
    """Yields the descriptor of a regular file. Raises OSError."""
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        yield file
    finally:
        os.close(file)


def move(source: int, name: str, target: int, new_name: str) -> None:
    """Raises OSError."""
    os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)


def exists(folder: int, name: str) -> bool:
    """Returns whether anything has this name, a folder or a link, too."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def file_name(name: str, suffix: str) -> str:
    """Returns a name for a file system: without separators, not hidden, of at most 200 bytes with the suffix."""
    plain = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in Path(name).name).strip(" .")
    while len(f"{plain}{suffix}".encode()) > 200:
        plain = plain[:-1]
    return f"{plain or 'recording'}{suffix}"


def _is_text(name: str) -> bool:
    """Names that are no UTF-8 can't be stored."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in name

"""Encrypts files with age (age-encryption.org/v1), which its own tool opens, too: `age --decrypt -i key.txt`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyrage
from pyrage.x25519 import Identity, Recipient

from portal.backup.errors import BackupError


@dataclass(frozen=True)
class Sealed:
    """What was encrypted: bytes and SHA-256, in hex, of the content and of the file."""

    size: int
    sha256: str
    file_size: int
    file_sha256: str


class _Counting:
    """Wraps a file that is read or written, and keeps count and SHA-256 of what passes."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._sum = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        return self._note(self._file.read(size))

    def write(self, data: bytes) -> int:
        self._file.write(self._note(data))
        return len(data)

    def flush(self) -> None:
        self._file.flush()

    def _note(self, data: bytes) -> bytes:
        self._sum.update(data)
        self.size += len(data)
        return data

    @property
    def sha256(self) -> str:
        return self._sum.hexdigest()


def new_key() -> tuple[str, str]:
    """Returns a secret key, and the recipient that encrypts to it."""
    identity = Identity.generate()
    return str(identity), str(identity.to_public())


def recipients(texts: Sequence[str]) -> list[Recipient]:
    """Raises BackupError."""
    try:
        return [Recipient.from_str(text) for text in texts]
    except pyrage.RecipientError as error:
        raise BackupError(f"BACKUP_RECIPIENTS: {error}. `manage.py backup key FILE` makes a key.") from None


def identities(file: Path) -> list[Identity]:
    """Returns the secret keys in a file as `age-keygen` and `manage.py backup key` write it. Raises BackupError."""
    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
        found = [Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError) as error:
        raise BackupError(f"{file} holds no secret key of age: {error}.") from None
    if not found:
        raise BackupError(f"{file} holds no secret key of age.")
    return found


def seal(source: IO[bytes], target: Path, to: Sequence[Recipient]) -> Sealed:
    """Encrypts `source` into the file `target`, which is there whole, and on the disk, or not at all.

    Raises BackupError where something can't be read or written.
    """
    part = target.with_name(f"{target.name}.part")
    content = _Counting(source)
    try:
        with part.open("wb") as out:
            file = _Counting(out)
            pyrage.encrypt_io(content, file, to)
            out.flush()
            os.fsync(out.fileno())
        part.replace(target)
    except (OSError, pyrage.EncryptError) as error:
        raise BackupError(f"{target} can't be written: {error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return Sealed(content.size, content.sha256, file.size, file.sha256)


def unseal(source: Path, target: IO[bytes], keys: Sequence[Identity]) -> str:
    """Decrypts the file `source`, and returns the SHA-256 of its content.

    Raises BackupError where it is damaged, missing or for another key.
    """
    content = _Counting(target)
    try:
        with source.open("rb") as opened:
            pyrage.decrypt_io(opened, content, keys)
    except (OSError, pyrage.DecryptError) as error:
        raise BackupError(f"{source} can't be opened: {error}.") from None
    return content.sha256


def sha256_of(file: Path) -> str:
    """Raises BackupError."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise BackupError(f"{file} can't be read: {error.strerror}.") from None

"""The folder with backups: where things are, and what its manifests say."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

from portal.backup.errors import BackupError
from portal.backup.sealing import Sealed, sha256_of

FORMAT = 1
NAME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")
SHA256 = re.compile(r"[0-9a-f]{64}")
KEY = re.compile(r"tenants(/[\w.-]*\w[\w.-]*)+", re.ASCII)
DATABASE, SECRETS, MEDIA_LIST, MANIFEST = "database.age", "secrets.age", "media.jsonl", "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a backup is of. installation: the same for all backups of one. vendor: Django's name of the database.

    sums: the SHA-256 of its other files, by name.
    """

    name: str
    installation: str
    vendor: str
    migrations: list[str]
    tenants: int
    people: int
    recordings: int
    media: int
    bytes: int
    weights: dict[str, str]
    sums: dict[str, str]

    def __str__(self) -> str:
        what = f"{self.tenants} tenants, {self.people} people, {self.recordings} recordings"
        return f"{self.name}: {what}, {self.media} objects, {self.bytes} bytes with the database"


@dataclass(frozen=True)
class StoredObject:
    """An object of the media storage as it was when its copy was made. recipients: whom the copy is encrypted to."""

    key: str
    modified: float
    recipients: str
    sealed: Sealed

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def of(cls, line: str) -> StoredObject:
        """Raises ValueError, TypeError and KeyError."""
        read: dict[str, Any] = json.loads(line)
        found = cls(**read | {"sealed": Sealed(**read["sealed"])})
        if not KEY.fullmatch(found.key) or ".." in found.key or not SHA256.fullmatch(found.sealed.file_sha256):
            raise ValueError(f"{found.key!r} is no object of ours")
        return found


class BackupFolder:
    """A folder with any number of backups, whose media lie there once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def locked(self, shared: bool = False) -> Iterator[None]:
        """One that changes it at a time, or several that read. Raises BackupError."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise BackupError(f"{self.path} can't be written: {error.strerror}. Set BACKUP_DIR.") from None
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise BackupError(f"Another backup or restore is under way in {self.path}.") from None
        finally:
            os.close(lock)

    def names(self) -> list[str]:
        """Returns the whole backups, the oldest first."""
        found = (file.parent.name for file in self.path.glob(f"*/{MANIFEST}"))
        return sorted(name for name in found if NAME.fullmatch(name))

    def manifest(self, name: str) -> Manifest:
        """Returns the manifest of a backup. Raises BackupError."""
        if name not in self.names():
            raise BackupError(f"There is no whole backup {name} in {self.path}.")
        try:
            read: dict[str, Any] = json.loads((self.path / name / MANIFEST).read_text())
            if read.pop("format", None) != FORMAT:
                raise BackupError(f"The backup {name} is of another release, in a format unknown here.")
            manifest = Manifest(**read)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise BackupError(f"The manifest of {name} can't be read: {error}.") from None
        if manifest.name != name or manifest.sums.keys() != {DATABASE, SECRETS, MEDIA_LIST}:
            raise BackupError(f"The manifest in {self.path / name} is not of this backup.")
        return manifest

    def newest(self) -> Manifest:
        """Raises BackupError where there is none, or one is to be chosen."""
        every = [self.manifest(name) for name in self.names()]
        if not every:
            raise BackupError(f"There is no whole backup in {self.path}.")
        if len({one.installation for one in every}) > 1:
            raise BackupError("There are backups of several installations: name one, as `backup list` shows them.")
        return every[-1]

    def own(self) -> list[str]:
        """Returns the backups of this installation, the oldest first."""
        return [name for name in self.names() if self.manifest(name).installation == installation()]

    def file(self, manifest: Manifest, name: str) -> Path:
        return self.path / manifest.name / name

    def copy_of(self, file_sha256: str) -> Path:
        """Returns where a copy lies: it is named after itself, so none is ever overwritten."""
        return self.path / "media" / file_sha256[:2] / f"{file_sha256}.age"

    def objects(self, manifest: Manifest) -> Iterator[StoredObject]:
        """Yields what a backup has of the media. Raises BackupError."""
        self.verify_sum(manifest, MEDIA_LIST)
        try:
            with self.file(manifest, MEDIA_LIST).open() as lines:
                for line in lines:
                    yield StoredObject.of(line)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BackupError(f"The list of media of {manifest.name} can't be read: {error}.") from None

    def verify_sum(self, manifest: Manifest, name: str) -> None:
        """Raises BackupError where a file of the backup itself is missing or damaged."""
        if sha256_of(self.file(manifest, name)) != manifest.sums[name]:
            raise BackupError(f"{self.file(manifest, name)} is damaged.")

    def write_manifest(self, folder: Path, manifest: Manifest) -> None:
        with (folder / MANIFEST).open("w") as out:
            json.dump({"format": FORMAT, **asdict(manifest)}, out, indent=1)
            out.flush()
            os.fsync(out.fileno())


def installation() -> str:
    """Returns what tells this installation from others that use the same folder."""
    return salted_hmac("portal.backup.installation", settings.SECRET_KEY, algorithm="sha256").hexdigest()[:16]


def fingerprint(recipients: list[str]) -> str:
    return hashlib.sha256(" ".join(sorted(recipients)).encode()).hexdigest()[:16]

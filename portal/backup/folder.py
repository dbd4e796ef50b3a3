"""The folder with backups: where things are, and what its manifests say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from portal.backup.errors import BackupError
from portal.backup.sealing import Sealed

FORMAT = 1
NAME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")
DATABASE, SECRETS, MEDIA_LIST, MANIFEST = "database.age", "secrets.age", "media.jsonl", "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a backup is of. vendor: Django's name of the database. sums: the SHA-256 of its other files, by name."""

    name: str
    vendor: str
    migrations: list[str]
    media: int
    bytes: int
    weights: dict[str, str]
    sums: dict[str, str]


@dataclass(frozen=True)
class StoredObject:
    """An object of the media storage, and its encrypted copy."""

    key: str
    sealed: Sealed


class BackupFolder:
    """A folder with any number of backups, whose media lie there once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        """Returns the whole backups, the oldest first."""
        found = (file.parent.name for file in self.path.glob(f"*/{MANIFEST}"))
        return sorted(name for name in found if NAME.fullmatch(name))

    def manifest(self, name: str) -> Manifest:
        """Returns the manifest of a backup, the newest where `name` is empty. Raises BackupError."""
        names = self.names()
        if not names or (name and name not in names):
            raise BackupError(f"There is no whole backup {name or ''} in {self.path}.".replace("  ", " "))
        try:
            read: dict[str, Any] = json.loads((self.path / (name or names[-1]) / MANIFEST).read_text())
            if read.pop("format", None) != FORMAT:
                raise BackupError(f"The backup {name or names[-1]} is of another release, in a format unknown here.")
            return Manifest(**read)
        except (OSError, ValueError, TypeError) as error:
            raise BackupError(f"The manifest of {name or names[-1]} can't be read: {error}.") from None

    def file(self, manifest: Manifest, name: str) -> Path:
        return self.path / manifest.name / name

    def object_file(self, key: str) -> Path:
        """Returns where an object's copy lies. Raises BackupError for a key that leads elsewhere."""
        file = self.path / "media" / f"{key}.age"
        if ".." in Path(key).parts or Path(key).is_absolute():
            raise BackupError(f"The backup names an object {key!r}.")
        return file

    def objects(self, manifest: Manifest) -> Iterator[StoredObject]:
        """Yields what a backup has of the media. Raises BackupError."""
        try:
            with self.file(manifest, MEDIA_LIST).open() as lines:
                for line in lines:
                    read: dict[str, Any] = json.loads(line)
                    yield StoredObject(read.pop("key"), Sealed(**read))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BackupError(f"The list of media of {manifest.name} can't be read: {error}.") from None

    def write_manifest(self, folder: Path, manifest: Manifest) -> None:
        (folder / MANIFEST).write_text(json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1) + "\n")

    @staticmethod
    def line(stored: StoredObject) -> str:
        return json.dumps({"key": stored.key, **asdict(stored.sealed)}) + "\n"

"""Makes a backup beside the running installation."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone
from pyrage.x25519 import Recipient

from portal.backup import databases
from portal.backup.errors import BackupError
from portal.backup.folder import DATABASE, MEDIA_LIST, NAME, SECRETS, BackupFolder, Manifest, StoredObject
from portal.backup.migrations import applied_migrations
from portal.backup.sealing import Sealed, seal, sha256_of
from tenants.models import Backup
from transcription.media import storage
from transcription.media.storage import StorageUnavailable
from transcription.options import engines

REPORT_EVERY = 100


def make(folder: BackupFolder, to: Sequence[Recipient], kept: int, say: Callable[[str], None]) -> Manifest:
    """Makes a backup, and deletes all but the `kept` newest (0: none). Raises BackupError.

    First comes the database, as it is at one moment, then the media: what is added meanwhile is of the next backup,
    and what is deleted meanwhile is left out. An object that an earlier backup has is not read again: none is ever
    changed under its key.
    """
    with _locked(folder.path):
        name = f"{timezone.now():%Y-%m-%dT%H%M%SZ}"
        part = folder.path / f"{name}.part"
        part.mkdir(mode=0o700)
        try:
            say("The database …")
            with databases.dumped() as copy:
                database = seal(copy, part / DATABASE, to)
            secrets = {"SECRET_KEY": settings.SECRET_KEY, "SECRET_KEY_FALLBACKS": settings.SECRET_KEY_FALLBACKS}
            seal(io.BytesIO(json.dumps(secrets).encode()), part / SECRETS, to)
            say("The media …")
            count, size = _copy_media(folder, part / MEDIA_LIST, to, say)
            manifest = Manifest(
                name=name,
                vendor=connection.vendor,
                migrations=applied_migrations(),
                media=count,
                bytes=database.size + size,
                weights=dict(pair for engine in engines.alive() for pair in engine.model_versions.items()),
                sums={file: sha256_of(part / file) for file in (DATABASE, SECRETS, MEDIA_LIST)},
            )
            folder.write_manifest(part, manifest)
            part.rename(folder.path / name)
        except (OSError, StorageUnavailable) as error:
            raise BackupError(f"The backup could not be made: {error}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        Backup.objects.create(name=name, media=count, bytes=manifest.bytes)
        if kept:
            _forget_old(folder, kept, say)
        return manifest


def _copy_media(
    folder: BackupFolder, listed: Path, to: Sequence[Recipient], say: Callable[[str], None]
) -> tuple[int, int]:
    """Copies what no earlier backup has, and lists all. Returns how many objects there are, and their bytes."""
    names = folder.names()
    earlier = {one.key: one.sealed for one in folder.objects(folder.manifest(names[-1]))} if names else {}
    count = size = copied = 0
    with listed.open("w") as lines:
        for key in storage.keys_older_than(timezone.now() + timedelta(days=1)):
            sealed = earlier.get(key)
            if sealed is None or not folder.object_file(key).is_file():
                sealed = _copy(folder, key, to)
                copied += 1
                if copied % REPORT_EVERY == 0:
                    say(f"{copied} objects were copied …")
            if sealed is not None:
                lines.write(folder.line(StoredObject(key, sealed)))
                count, size = count + 1, size + sealed.size
    return count, size


def _copy(folder: BackupFolder, key: str, to: Sequence[Recipient]) -> Sealed | None:
    """Returns None for an object that was deleted meanwhile."""
    opened = storage.open_object(key)
    if opened is None:
        return None
    with opened as source:
        return seal(source, folder.object_file(key), to)


def _forget_old(folder: BackupFolder, kept: int, say: Callable[[str], None]) -> None:
    """Deletes older backups, and the media that only they have."""
    names = folder.names()
    for name in names[:-kept]:
        shutil.rmtree(folder.path / name)
        say(f"The backup {name} was deleted.")
    if len(names) > kept:
        living = {one.key for name in names[-kept:] for one in folder.objects(folder.manifest(name))}
        for file in (folder.path / "media").rglob("*.age"):
            if str(file.relative_to(folder.path / "media")).removesuffix(".age") not in living:
                file.unlink()
    for stray in folder.path.glob("*.part"):
        if NAME.fullmatch(stray.name.removesuffix(".part")):
            shutil.rmtree(stray, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One backup at a time. Raises BackupError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise BackupError(f"{path} can't be written: {error.strerror}. Set BACKUP_DIR.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BackupError(f"Another backup is being made in {path}.") from None
    finally:
        os.close(lock)

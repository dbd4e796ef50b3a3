"""Makes a backup beside the running installation."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone
from pyrage.x25519 import Recipient

from portal.backup import databases
from portal.backup.errors import BackupError
from portal.backup.folder import (
    DATABASE,
    MEDIA_LIST,
    NAME,
    SECRETS,
    BackupFolder,
    Manifest,
    StoredObject,
    fingerprint,
    installation,
)
from portal.backup.migrations import applied_migrations
from portal.backup.sealing import Sealed, seal, sha256_of
from tenants import scope
from tenants.models import Backup, Tenant, User
from transcription.media import storage
from transcription.media.storage import StorageUnavailable, StoredFile
from transcription.models import Recording
from transcription.options import engines

REPORT_EVERY = 100


def make(folder: BackupFolder, to: Sequence[Recipient], kept: int, say: Callable[[str], None]) -> Manifest:
    """Makes a backup, and deletes all but the `kept` newest of this installation (0: none). Raises BackupError.

    First comes the database, as it is at one moment, then the media: what is added meanwhile is of the next backup,
    and what is deleted meanwhile is left out.
    """
    with folder.locked():
        _forget_broken_off(folder)
        name = f"{timezone.now():%Y-%m-%dT%H%M%SZ}"
        part = folder.path / f"{name}.part"
        try:
            part.mkdir(mode=0o700)
            say("The database …")
            with databases.dumped() as copy:
                database = seal(copy, part / DATABASE, to)
            secrets = {"SECRET_KEY": settings.SECRET_KEY, "SECRET_KEY_FALLBACKS": settings.SECRET_KEY_FALLBACKS}
            seal(io.BytesIO(json.dumps(secrets).encode()), part / SECRETS, to)
            say("The media …")
            count, size = _copy_media(folder, part / MEDIA_LIST, to, say)
            manifest = _described(name, part, count, database.size + size)
            folder.write_manifest(part, manifest)
            part.rename(folder.path / name)
        except (OSError, DatabaseError, StorageUnavailable) as error:
            raise BackupError(f"The backup could not be made: {error}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        Backup.objects.create(name=name, media=count, bytes=manifest.bytes)
        if kept:
            _forget_old(folder, manifest, kept, say)
        return manifest


def _described(name: str, part: Path, media: int, size: int) -> Manifest:
    with scope.across_tenants("a backup is of the whole installation"):
        recordings = Recording.objects.count()
    return Manifest(
        name=name,
        installation=installation(),
        vendor=connection.vendor,
        migrations=applied_migrations(),
        tenants=Tenant.objects.count(),
        people=User.objects.count(),
        recordings=recordings,
        media=media,
        bytes=size,
        weights=dict(pair for engine in engines.alive() for pair in engine.model_versions.items()),
        sums={file: sha256_of(part / file) for file in (DATABASE, SECRETS, MEDIA_LIST)},
    )


def _copy_media(
    folder: BackupFolder, listed: Path, to: Sequence[Recipient], say: Callable[[str], None]
) -> tuple[int, int]:
    """Copies what the last backup has not as it is now, and lists all. Returns how many objects, and their bytes."""
    whom, earlier = fingerprint([str(one) for one in to]), _earlier(folder, say)
    count = size = copied = 0
    with listed.open("w") as lines:
        for file in storage.stored_files():
            known = earlier.get(file.key)
            sealed = known.sealed if known and _is_current(folder, known, file, whom) else _copy(folder, file.key, to)
            if sealed is None:
                continue
            if known is None or sealed is not known.sealed:
                copied += 1
                if copied % REPORT_EVERY == 0:
                    say(f"{copied} objects were copied …")
            lines.write(StoredObject(file.key, file.modified, whom, sealed).line())
            count, size = count + 1, size + sealed.size
    return count, size


def _earlier(folder: BackupFolder, say: Callable[[str], None]) -> dict[str, StoredObject]:
    """Returns the objects of the last backup; none where its list is damaged: then all are copied again."""
    names = folder.own()
    try:
        return {one.key: one for one in folder.objects(folder.manifest(names[-1]))} if names else {}
    except BackupError as error:
        say(f"{error} All media are copied again.")
        return {}


def _is_current(folder: BackupFolder, known: StoredObject, file: StoredFile, whom: str) -> bool:
    is_same = (known.modified, known.sealed.size, known.recipients) == (file.modified, file.size, whom)
    copy = folder.copy_of(known.sealed.file_sha256)
    return is_same and copy.is_file() and copy.stat().st_size == known.sealed.file_size


def _copy(folder: BackupFolder, key: str, to: Sequence[Recipient]) -> Sealed | None:
    """Returns None for an object that was deleted meanwhile."""
    opened = storage.open_object(key)
    if opened is None:
        return None
    fresh = folder.path / "media" / "fresh"
    fresh.parent.mkdir(exist_ok=True)
    with opened as source:
        sealed = seal(source, fresh, to)
    place = folder.copy_of(sealed.file_sha256)
    place.parent.mkdir(exist_ok=True)
    fresh.replace(place)
    return sealed


def _forget_old(folder: BackupFolder, made: Manifest, kept: int, say: Callable[[str], None]) -> None:
    """Deletes older backups of this installation, and the copies that no backup has any more."""
    older = [name for name in folder.own() if name != made.name]
    for name in older[: max(0, len(older) + 1 - kept)]:
        shutil.rmtree(folder.path / name)
        say(f"The backup {name} was deleted.")
    if len(older) < kept:
        return
    living = {one.sealed.file_sha256 for name in folder.names() for one in folder.objects(folder.manifest(name))}
    for file in (folder.path / "media").glob("*/*.age"):
        if file.stem not in living:
            file.unlink()


def _forget_broken_off(folder: BackupFolder) -> None:
    """Deletes what a backup left that was killed."""
    for stray in folder.path.glob("*.part"):
        if NAME.fullmatch(stray.name.removesuffix(".part")):
            shutil.rmtree(stray, ignore_errors=True)
    for stray in (folder.path / "media" / "fresh", folder.path / "media" / "fresh.part"):
        stray.unlink(missing_ok=True)

"""Puts a backup in the place of an installation that is stopped."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import Error as DatabaseError
from django.db import connection
from pyrage.x25519 import Identity

from portal.backup import databases
from portal.backup.errors import BackupError
from portal.backup.folder import DATABASE, BackupFolder, Manifest
from portal.backup.migrations import unknown_migrations
from portal.backup.sealing import unseal
from portal.backup.verifying import read_secrets, verify_sums
from tenants import scope
from tenants.models import OutboundHold, Tenant, User
from transcription.media import storage
from transcription.media.storage import StorageUnavailable
from transcription.models.sweeper import sweepers_alive
from transcription.options import engines


@dataclass(frozen=True)
class Restored:
    """What was restored. secret_key: empty where this installation has it already."""

    manifest: Manifest
    objects: int
    secret_key: str


def restore(
    folder: BackupFolder, name: str, keys: Sequence[Identity], replaces: bool, say: Callable[[str], None]
) -> Restored:
    """Restores database and media; what goes out is held until `manage.py backup resume`. Raises BackupError.

    `replaces`: whether an installation that has people or tenants may be overwritten. Its media stay until the sweeper
    finds that nothing names them.
    """
    manifest = folder.manifest(name)
    verify_sums(folder, manifest)
    _require_fit(manifest)
    _require_room(replaces)
    secrets = read_secrets(folder, manifest, keys)
    try:
        with tempfile.TemporaryDirectory(dir=settings.DATA, prefix="restore-") as scratch:
            copy = Path(scratch) / "database"
            say("The database …")
            with copy.open("wb") as out:
                unseal(folder.file(manifest, DATABASE), out, keys)
            databases.check(copy)
            databases.load(copy)
        call_command("migrate", interactive=False, verbosity=0)
        OutboundHold.objects.all().delete()
        OutboundHold.objects.create(backup=manifest.name)
        say(f"{manifest.media} objects …")
        count = _restore_media(folder, manifest, keys)
    except (OSError, DatabaseError, StorageUnavailable) as error:
        raise BackupError(f"{manifest.name} could not be restored: {error}") from error
    is_known = secrets["SECRET_KEY"] in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return Restored(manifest, count, "" if is_known else secrets["SECRET_KEY"])


def _require_fit(manifest: Manifest) -> None:
    if manifest.vendor != connection.vendor:
        raise BackupError(f"The backup is of {manifest.vendor}, and DATABASE_URL names {connection.vendor}.")
    if unknown := unknown_migrations(manifest.migrations):
        raise BackupError(f"The backup is of a later release, with {', '.join(unknown)}. Restore it with that one.")


def _require_room(replaces: bool) -> None:
    """Raises BackupError where something runs, or would be lost."""
    if "tenants_user" not in connection.introspection.table_names():
        return
    if sweepers_alive() or engines.alive():
        raise BackupError("The portal is running. Stop it, its sweepers and gpuworkers, half a minute before.")
    with scope.across_tenants("whether an installation has anybody"):
        is_used = User.objects.exists() or Tenant.objects.exists()
    if is_used and not replaces:
        raise BackupError("There are people or tenants here, who would be lost. --replace restores all the same.")


def _restore_media(folder: BackupFolder, manifest: Manifest, keys: Sequence[Identity]) -> int:
    """Puts each object back that is not there. Returns how many there are."""
    count = 0
    for stored in folder.objects(manifest):
        with storage.temporary_path() as path:
            with path.open("wb") as out:
                found = unseal(folder.object_file(stored.key), out, keys)
            if found.content_sha256 != stored.sealed.content_sha256:
                raise BackupError(f"The copy of {stored.key} is damaged.")
            storage.put_back(path, stored.key)
        count += 1
    return count

"""Puts a backup in the place of an installation that is stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.core.management import call_command
from django.db import Error as DatabaseError
from django.db import connection
from pyrage.x25519 import Identity

from portal.backup import databases
from portal.backup.errors import BackupError
from portal.backup.folder import BackupFolder, Manifest, StoredObject
from portal.backup.migrations import LAST_OF_THEM, squashed_in_part, unknown_migrations
from portal.backup.sealing import unseal
from portal.backup.verifying import opened_database, read_secrets
from transcription.media import storage
from transcription.media.storage import StorageUnavailable
from transcription.models.sweeper import sweepers_alive
from transcription.options import engines


@dataclass(frozen=True)
class Restored:
    """What was restored. secret_key: empty where this installation has it already. lost: why, of each object."""

    objects: int
    lost: list[str]
    secret_key: str


def restore(
    folder: BackupFolder, manifest: Manifest, keys: Sequence[Identity], replaces: bool, say: Callable[[str], None]
) -> Restored:
    """Restores database and media; what goes out is held until `manage.py backup resume`. Raises BackupError.

    It may be run again after a failure. `replaces`: whether an installation that has people or tenants may be
    overwritten. Its media stay until the sweeper finds that nothing names them.
    """
    with folder.locked():
        for name in manifest.sums:
            folder.verify_sum(manifest, name)
        _require_fit(manifest)
        _require_room(replaces)
        secrets = read_secrets(folder, manifest, keys)
        try:
            say("The database …")
            with databases.scratch("restore") as scratch:
                copy = opened_database(folder, manifest, keys, scratch)
                databases.check(copy)
                databases.load(copy, manifest.name)
            call_command("migrate", interactive=False, verbosity=0)
        except (OSError, DatabaseError) as error:
            raise BackupError(f"{manifest.name} could not be restored: {error}") from error
        say(f"{manifest.media} objects …")
        count, lost = _restore_media(folder, manifest, keys)
    is_known = secrets["SECRET_KEY"] in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return Restored(count, lost, "" if is_known else secrets["SECRET_KEY"])


def _require_fit(manifest: Manifest) -> None:
    if manifest.vendor != connection.vendor:
        raise BackupError(f"The backup is of {manifest.vendor}, and DATABASE_URL names {connection.vendor}.")
    if unknown := unknown_migrations(manifest.migrations):
        raise BackupError(f"The backup is of a later release, with {', '.join(unknown)}. Restore it with that one.")
    if squashed_in_part(manifest.migrations):
        raise BackupError(f"The backup is of a release before 2026-11-29: restore it with that one ({LAST_OF_THEM}).")


def _require_room(replaces: bool) -> None:
    """Raises BackupError where something runs, or would be lost."""
    tables = connection.introspection.table_names()
    try:
        is_running = bool(sweepers_alive() or engines.alive()) if "tenants_user" in tables else False
    except DatabaseError:  # of another release, whose tables are others
        is_running = False
    if is_running:
        raise BackupError("The portal is running. Stop it, its sweepers and gpuworkers, half a minute before.")
    somebody = [table for table in ("tenants_user", "tenants_tenant") if table in tables]
    if not replaces and any(map(databases.has_rows, somebody)):
        raise BackupError("There are people or tenants here, who would be lost. --replace restores all the same.")


def _restore_media(folder: BackupFolder, manifest: Manifest, keys: Sequence[Identity]) -> tuple[int, list[str]]:
    """Puts each object back that is not there as it was. Returns how many are there now, and what is lost."""
    count, lost = 0, []
    for stored in folder.objects(manifest):
        try:
            if storage.sha256_of(stored.key) != stored.sealed.sha256:
                _put_back(folder, stored, keys)
            count += 1
        except (BackupError, OSError, StorageUnavailable) as error:
            lost.append(f"{stored.key}: {error}")
    return count, lost


def _put_back(folder: BackupFolder, stored: StoredObject, keys: Sequence[Identity]) -> None:
    with storage.temporary_path() as path:
        with path.open("wb") as out:
            found = unseal(folder.copy_of(stored.sealed.file_sha256), out, keys)
        if found != stored.sealed.sha256:
            raise BackupError("its copy holds something else.")
        storage.put_back(path, stored.key)

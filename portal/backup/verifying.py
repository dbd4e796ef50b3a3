"""Checks a backup without restoring it."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from pyrage.x25519 import Identity

from portal.backup import databases
from portal.backup.errors import BackupError
from portal.backup.folder import DATABASE, SECRETS, BackupFolder, Manifest
from portal.backup.sealing import sha256_of, unseal


def verify(folder: BackupFolder, manifest: Manifest, keys: Sequence[Identity], say: Callable[[str], None]) -> None:
    """Reads every byte of a backup, and with `keys` decrypts all of it. Raises BackupError, which names the damage."""
    with folder.locked(shared=True):
        for name in manifest.sums:
            folder.verify_sum(manifest, name)
        if keys:
            say("The database …")
            read_secrets(folder, manifest, keys)
            with databases.scratch("verify") as scratch:
                databases.check(opened_database(folder, manifest, keys, scratch))
        say(f"{manifest.media} objects …")
        count, damaged = 0, []
        for stored in folder.objects(manifest):
            count += 1
            file = folder.copy_of(stored.sealed.file_sha256)
            try:
                if sha256_of(file) != stored.sealed.file_sha256:
                    raise BackupError(f"{file} is damaged.")
                if keys:
                    with tempfile.TemporaryFile() as out:
                        unseal(file, out, keys)
            except BackupError as error:
                damaged.append(f"{stored.key}: {error}")
        if damaged:
            raise BackupError("\n".join([f"{len(damaged)} of {count} objects of {manifest.name}:", *damaged]))
        if count != manifest.media:
            raise BackupError(f"{manifest.name} lists {count} objects in place of {manifest.media}.")


def opened_database(folder: BackupFolder, manifest: Manifest, keys: Sequence[Identity], scratch: Path) -> Path:
    """Returns the decrypted database of a backup, in `scratch`. Raises BackupError."""
    copy = scratch / "database"
    with copy.open("wb") as out:
        unseal(folder.file(manifest, DATABASE), out, keys)
    return copy


def read_secrets(folder: BackupFolder, manifest: Manifest, keys: Sequence[Identity]) -> dict[str, str]:
    """Returns the installation's SECRET_KEY and its fallbacks. Raises BackupError."""
    out = io.BytesIO()
    unseal(folder.file(manifest, SECRETS), out, keys)
    secrets: dict[str, str] = json.loads(out.getvalue())
    return secrets

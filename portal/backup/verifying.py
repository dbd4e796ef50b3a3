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


def verify(folder: BackupFolder, name: str, keys: Sequence[Identity], say: Callable[[str], None]) -> Manifest:
    """Reads every byte of a backup, and with `keys` decrypts all of it. Raises BackupError for the first damage."""
    manifest = folder.manifest(name)
    verify_sums(folder, manifest)
    if keys:
        say("The database …")
        read_secrets(folder, manifest, keys)
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / "database"
            with copy.open("wb") as out:
                unseal(folder.file(manifest, DATABASE), out, keys)
            databases.check(copy)
    say(f"{manifest.media} objects …")
    count = 0
    for stored in folder.objects(manifest):
        file = folder.object_file(stored.key)
        if sha256_of(file) != stored.sealed.file_sha256:
            raise BackupError(f"{file} is damaged.")
        if keys:
            with tempfile.TemporaryFile() as out:
                found = unseal(file, out, keys)
            if found.content_sha256 != stored.sealed.content_sha256:
                raise BackupError(f"{file} holds something else than was put there.")
        count += 1
    if count != manifest.media:
        raise BackupError(f"{manifest.name} lists {count} objects in place of {manifest.media}.")
    return manifest


def verify_sums(folder: BackupFolder, manifest: Manifest) -> None:
    """Raises BackupError where a file of the backup itself is missing or damaged."""
    for name, expected in manifest.sums.items():
        if sha256_of(folder.file(manifest, name)) != expected:
            raise BackupError(f"{folder.file(manifest, name)} is damaged.")


def read_secrets(folder: BackupFolder, manifest: Manifest, keys: Sequence[Identity]) -> dict[str, str]:
    """Returns the installation's SECRET_KEY and its fallbacks. Raises BackupError."""
    out = io.BytesIO()
    unseal(folder.file(manifest, SECRETS), out, keys)
    secrets: dict[str, str] = json.loads(out.getvalue())
    return secrets

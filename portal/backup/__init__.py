"""Backups: the database, media and SECRET_KEY, encrypted to a key that this installation doesn't have.

A folder holds any number of them:

    media/ab/ab….age        a copy of an object, named after its own SHA-256: none is ever overwritten
    2026-11-29T203000Z/     one backup
        database.age        SQLite's file, or pg_dump's custom format
        secrets.age         JSON: SECRET_KEY and its fallbacks
        media.jsonl         a line for each object: its key, and which copy it has
        manifest.json       what it is of, and the SHA-256 of the other files
"""

from portal.backup.errors import BackupError
from portal.backup.folder import BackupFolder, Manifest
from portal.backup.making import make
from portal.backup.restoring import restore
from portal.backup.verifying import verify

__all__ = ["BackupError", "BackupFolder", "Manifest", "make", "restore", "verify"]

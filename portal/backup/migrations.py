"""The migrations of a backup, and of the code that restores it."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

LAST_OF_THEM = "b4bbee3e"
"""The commit that has all of the migrations that were squashed."""


def applied_migrations() -> list[str]:
    return sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())


def squashed_in_part(applied: Iterable[str]) -> list[str]:
    """Returns the squashed migrations of which a database has a part: files that are gone have the rest."""
    has = set(applied)
    squashed = {migration.name: _names(migration.replaces) for migration in _on_disk().values() if migration.replaces}
    return sorted(name for name, replaced in squashed.items() if replaced & has and not replaced <= has)


def unknown_migrations(of_backup: list[str]) -> list[str]:
    """Returns those that this code has not: the backup is of a later release, or of another portal."""
    known = _names(_on_disk()).union(*(_names(migration.replaces) for migration in _on_disk().values()))
    return sorted(set(of_backup) - known)


def _on_disk() -> dict[tuple[str, str], Migration]:
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    return loader.disk_migrations


def _names(keys: Iterable[tuple[str, str]]) -> set[str]:
    return {f"{app}.{name}" for app, name in keys}

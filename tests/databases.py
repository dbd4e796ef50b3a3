"""The test database: migrated by one process for all, and emptied after a test that commits."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.test import TransactionTestCase

KEPT = {"django_content_type", "auth_permission"}
"""What Django makes for each model, which takes longer than most tests."""


@contextmanager
def template() -> Iterator[Path]:
    """Yields where a migrated SQLite is, or is to be put, and is nobody else's business meanwhile."""
    migrated = Path(os.environ["PORTAL_TEST_DATA"]) / "migrated.sqlite3"
    with migrated.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield migrated


def migrate_once() -> list[str]:
    """One of pytest-xdist's processes migrates a database, which takes seconds, and the others copy it.

    Returns the databases of a server that are to be dropped at the end.
    """
    own = str(connection.creation._get_test_db_name())  # type: ignore[attr-defined]
    with template() as file:
        made, source = file, str(file)
        if connection.vendor == "postgresql":
            made, source = file.with_suffix(".postgresql"), f"migrated_{file.parent.name}"
        if made.exists():
            _copy(source, own)
            connection.close()
            connection.settings_dict["NAME"] = settings.DATABASES["default"]["NAME"] = own
            return [own]
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        connection.close()
        _copy(own, source)
        made.touch()
        return [own, source]


def _copy(source: str, target: str) -> None:
    if connection.vendor == "sqlite":
        shutil.copyfile(source, target)
        return
    with connection.creation._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')


def drop(names: list[str]) -> None:
    if connection.vendor == "sqlite":  # whose folder is removed
        return
    connection.close()
    with connection.creation._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        for name in names:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def flush(test: TransactionTestCase) -> None:
    """Deletes all rows but those in KEPT."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = {name: connection.ops.quote_name(name) for name in names if name not in KEPT}
    has_rows = (f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {table})" for name, table in tables.items())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(has_rows))
        for [name] in cursor.fetchall():
            cursor.execute(f"DELETE FROM {tables[name]}")

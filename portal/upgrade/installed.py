"""Which release a database is of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from portal import __version__
from portal.backup.migrations import applied_migrations, unknown_migrations
from tenants.models import Release
from transcription.processes import migrations

Leaves = dict[str, str]
"""The last migration of each app that a database has."""


def last_applied() -> Leaves:
    """Returns the last migration of each app that the database has, and this code knows."""
    loader = MigrationLoader(connection)
    nodes, applied = loader.graph.node_map, loader.applied_migrations
    inner = {parent.key for key in nodes if key in applied for parent in nodes[key].parents if parent.key[0] == key[0]}
    return {app: name for app, name in sorted(nodes) if (app, name) in applied and (app, name) not in inner}


@contextmanager
def noting() -> Iterator[None]:
    """Notes what the database is of after its migrations, also where they break off: the way back is to before."""
    before = last_applied()
    try:
        yield
    except BaseException:
        with suppress(DatabaseError):  # a connection that was lost is not the reason
            if last_applied() != before:
                _note(before)
        raise
    _note(before)


def _note(before: Leaves) -> None:
    """Old code that is put back on a later release's database leaves it that release's."""
    if not is_current() and not unknown_migrations(applied_migrations()) and _is_noted():
        Release.objects.create(version=this_one(), before=before)


def is_current() -> bool:
    """Returns whether this code's migrations were run, be there any or not."""
    last = installed()
    return last is not None and last.version == this_one()


def this_one() -> str:
    """Returns the release and, as between two of them code has its number, which migrations this code has."""
    return f"{__version__}+{migrations()}"


def number_of(release: Release) -> str:
    return release.version.partition("+")[0]


def installed() -> Release | None:
    """Returns the release that the database is of; None where it was never noted."""
    return Release.objects.first() if _is_noted() else None


def _is_noted() -> bool:
    return Release._meta.db_table in connection.introspection.table_names()

"""Migrations that two hosts start at once run one after the other; a database of too old a release is refused."""

from __future__ import annotations

import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from portal.backup.migrations import LAST_OF_THEM
from portal.upgrade.lock import LOCK

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite belongs to one process, which locks its folder")
def test_the_second_waits_for_the_first() -> None:
    done = threading.Event()

    def migrate() -> None:
        call_command("migrate", interactive=False, verbosity=0)
        connection.close()
        done.set()

    with connection.cursor() as first:
        first.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        second = threading.Thread(target=migrate)
        second.start()
        assert not done.wait(0.5)
        first.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    second.join(20)
    assert done.is_set()


def test_a_database_with_some_of_the_squashed_migrations_is_refused_in_words() -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("tenants", "0016_bin_and_holds")
    with pytest.raises(CommandError, match=f"Migrate it with that one first: {LAST_OF_THEM}"):
        call_command("migrate", interactive=False, verbosity=0)
    recorder.record_applied("tenants", "0016_bin_and_holds")
    call_command("migrate", interactive=False, verbosity=0)

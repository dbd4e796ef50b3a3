"""Migrations that two hosts start at once run one after the other."""

from __future__ import annotations

import threading

import pytest
from django.core.management import call_command
from django.db import connection

from portal.management.commands.migrate import LOCK

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

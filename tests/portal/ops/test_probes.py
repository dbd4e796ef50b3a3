"""/livez says whether to restart a web process, /readyz whether to send it requests; /health whether work is done."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from tenants import schema


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise OperationalError("refused")

    monkeypatch.setattr(MigrationRecorder, "applied_migrations", refuse)


def test_a_process_lives_whatever_else_is_away(client: Client) -> None:
    """pytest-django refuses the database here: it isn't asked."""
    answer = client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_with_its_database_a_process_is_ready_though_nothing_can_be_transcribed(client: Client) -> None:
    assert client.get("/health").status_code == 503
    assert client.get("/readyz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_a_process_is_not_ready_before_its_migrations_ran(client: Client) -> None:
    last = schema._last_migrations()[-1]
    MigrationRecorder(connection).record_unapplied(*last)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert ".".join(last) in answer.json()["problems"][0]
    assert "manage.py migrate" in answer.json()["problems"][0]


@pytest.mark.django_db
def test_migrations_of_later_code_are_no_obstacle(client: Client) -> None:
    MigrationRecorder(connection).record_applied("tenants", "9999_of_the_next_release")
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
@pytest.mark.usefixtures("no_database")
def test_without_its_database_a_process_is_not_ready_and_lives(client: Client) -> None:
    assert client.get("/readyz").json()["problems"] == ["the database does not answer"]
    assert client.get("/livez").status_code == 200

"""The database goes away and comes back: nobody is told that it is our failure, or theirs."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.template import loader
from django.test import Client
from django.utils.translation import override

from tests.conftest import Character

pytestmark = pytest.mark.django_db


def away(*_call: Any) -> None:
    raise OperationalError("the database system is starting up")


def test_programs_are_told_to_come_back(client: Client, alice: Character) -> None:
    with connection.execute_wrapper(away):
        answer = client.get("/api/v1/recordings", headers=alice.bearer)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert (answer.json()["code"], answer["Content-Type"]) == ("unavailable", "application/problem+json")
    assert client.get("/api/v1/recordings", headers=alice.bearer).status_code == 200


def test_people_see_a_page_that_needs_no_database(client: Client, alice: Character) -> None:
    client.force_login(alice.user)
    with connection.execute_wrapper(away):
        answer = client.get("/recordings/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "Your recordings are safe" in answer.content.decode()


@pytest.mark.parametrize("page", ["500.html", "503.html"])
@pytest.mark.parametrize(("language", "said"), [("en", "en"), ("zh-hans", "zh-hans")])
def test_the_pages_for_trouble_are_in_the_language_they_say(page: str, language: str, said: str) -> None:
    with override(language):
        text = loader.render_to_string(page)
    assert f'<html lang="{said}">' in text

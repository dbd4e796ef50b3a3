"""The schema: whole, valid, and served with pages that need nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from portal.api.native import urls as native
from portal.api.openai import urls as openai
from tests.conftest import Character

OURS = {"/api/v1/": native.urlpatterns, "/v1/": openai.urlpatterns}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    schema: dict[str, Any] = Client().get("/api/openapi.json").json()
    return schema


def test_it_is_valid(schema: dict[str, Any]) -> None:
    from drf_spectacular import validation  # takes 1.5 s to import

    validate: Callable[[Any], None] = validation.validate_schema  # it carries no types
    validate(schema)


def test_every_view_says_what_it_takes_and_answers() -> None:
    call_command("spectacular", "--fail-on-warn", stdout=StringIO())


def test_every_route_is_in_it(schema: dict[str, Any]) -> None:
    routes = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"{prefix}{pattern.pattern}")
        for prefix, patterns in OURS.items()
        for pattern in patterns
    }
    known = {path.replace("{model}", "{name}") for path in schema["paths"]}
    assert routes == known


def test_every_operation_has_a_name_of_its_own_and_says_how_it_fails(schema: dict[str, Any]) -> None:
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for operation in operations:
        assert operation["summary"]
        assert "Raises" not in operation.get("description", "")
        assert {"401", "403", "429"} <= set(operation["responses"])
        assert operation["security"] == [{"key": []}]


@pytest.mark.parametrize("path", ["/api/docs/", "/api/reference/"])
def test_its_pages_fetch_nothing_from_elsewhere(path: str, client: Client) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert not re.findall(r"(?:src|href)=[\"'](?:https?:)?//", answer.content.decode())
    assert "script-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.django_db
def test_examples_have_the_portals_own_address(bob: Character, client: Client) -> None:
    client.force_login(bob.user)
    page = client.get("/api/examples/").content.decode()
    assert "http://testserver/v1/audio/transcriptions" in page
    assert bob.secret not in page

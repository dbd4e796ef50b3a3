"""What each scope may, and who else gets in. A new route is a new line."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from portal.api.native import urls as native
from tenants import scope
from tenants.models import ApiKey
from tests.api.characters import bearer, send
from tests.conftest import Character
from tests.web.conftest import make_transcription
from transcription.models import Transcription

MINE = ("keys", "audit", "usage", "ledger")
UNKNOWN = "00000000-0000-4000-8000-000000000000"

READ = {"read": 200, "write": 200, "admin": 200}
WRITE_201 = {"read": 403, "write": 201, "admin": 201}
WRITE_204 = {"read": 403, "write": 204, "admin": 204}
WRITE_400 = {"read": 403, "write": 400, "admin": 400}  # the body was left out on purpose
WRITE_409 = {"read": 403, "write": 409, "admin": 409}  # it is over already
ADMIN = {"read": 403, "write": 403, "admin": 200}
ADMIN_201 = {"read": 403, "write": 403, "admin": 201}
ADMIN_204 = {"read": 403, "write": 403, "admin": 204}

TABLE: list[tuple[str, str, Any, dict[str, int]]] = [
    ("GET", "/api/v1/recordings", None, READ),
    ("POST", "/api/v1/recordings", None, WRITE_400),
    ("GET", "/api/v1/recordings/{recording}", None, READ),
    ("DELETE", "/api/v1/recordings/{recording}", None, WRITE_204),
    ("GET", "/api/v1/recordings/{recording}/transcript.txt", None, READ),
    ("POST", "/api/v1/recordings/{recording}/transcriptions", {}, WRITE_201),
    ("GET", "/api/v1/transcriptions/{transcription}", None, READ),
    ("GET", "/api/v1/transcriptions/{transcription}/transcript.txt", None, READ),
    ("POST", "/api/v1/transcriptions/{transcription}/cancel", None, WRITE_409),
    ("GET", "/api/v1/keys", None, ADMIN),
    ("POST", "/api/v1/keys", {"name": "x"}, ADMIN_201),
    ("GET", "/api/v1/keys/{key}", None, ADMIN),
    ("PATCH", "/api/v1/keys/{key}", {"name": "y"}, ADMIN),
    ("DELETE", "/api/v1/keys/{key}", None, ADMIN_204),
    ("POST", "/api/v1/keys/{key}/rotate", None, ADMIN),
    ("DELETE", "/api/v1/keys/{key}/old-secret", None, ADMIN_204),
    ("GET", "/api/v1/audit", None, ADMIN),
    ("GET", "/api/v1/usage", None, READ),
    ("GET", "/api/v1/ledger", None, READ),
]
OPENAI = [
    ("GET", "/v1/models", READ),
    ("GET", "/v1/models/whisper-1", READ),
    ("POST", "/v1/audio/transcriptions", WRITE_400),
    ("POST", "/v1/audio/translations", WRITE_400),
]
CASES = [(*line[:3], key_scope, status) for line in TABLE for key_scope, status in line[3].items()]
ROUTES = [line[:3] for line in TABLE]


@pytest.fixture
def row(alice: Character) -> Transcription:
    return make_transcription(alice.tenant)


def address_of(path: str, row: Transcription) -> str:
    """A route about a transcription of Alice's, its recording, or her key."""
    with scope.bound(row.tenant_id):
        key = ApiKey.objects.filter(created_by__email="alice@acme.example").order_by("created_at")[0]
    return path.format(recording=row.recording_id, transcription=row.id, key=key.id)


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path", "body", "key_scope", "status"), CASES)
def test_each_scope_may_do_what_the_table_says(
    method: str, path: str, body: Any, key_scope: str, status: int, row: Transcription, alice: Character, client: Client
) -> None:
    answer = send(client, method, address_of(path, row), bearer(alice, key_scope), body)
    assert answer.status_code == status, answer.content
    if status == 403:
        needed = "admin" if path.startswith(("/api/v1/keys", "/api/v1/audit")) else "write"
        assert f"“{needed}”" in answer.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("method", "path", "scopes"), OPENAI)
def test_openais_routes_know_scopes_too(
    method: str, path: str, scopes: dict[str, int], alice: Character, client: Client
) -> None:
    """In one test: the views are asynchronous, so that each needs a database of its own."""
    for key_scope, status in scopes.items():
        answer = send(client, method, path, bearer(alice, key_scope))
        assert (key_scope, answer.status_code) == (key_scope, status)
        if status == 403:
            assert answer.json()["error"]["code"] == "insufficient_permissions"
            assert "“write”" in answer.json()["error"]["message"]
    assert send(client, method, path).status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path", "body"), [line for line in ROUTES if "{" in line[1]])
def test_another_tenant_gets_the_answer_for_nothing(
    method: str, path: str, body: Any, row: Transcription, alice: Character, mallory: Character, client: Client
) -> None:
    headers = bearer(mallory)
    theirs = send(client, method, address_of(path, row), headers, body)
    nothing = send(client, method, path.format(recording=UNKNOWN, transcription=UNKNOWN, key=UNKNOWN), headers, body)
    assert (theirs.status_code, theirs.json()) == (nothing.status_code, nothing.json()) == (404, nothing.json())


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/v1/recordings", "/api/v1/keys", "/api/v1/audit", "/api/v1/ledger"])
def test_lists_hold_nothing_of_another_tenant(
    path: str, row: Transcription, alice: Character, mallory: Character, client: Client
) -> None:
    text = client.get(path, headers=bearer(mallory)).content.decode()
    assert "acme" not in text.lower()
    assert str(row.recording_id) not in text


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_nobody_and_the_signed_in_without_a_key_get_401(
    method: str, path: str, body: Any, row: Transcription, alice: Character, client: Client
) -> None:
    """Owners and viewers use the portal: their sessions open no API."""
    assert send(client, method, address_of(path, row), None, body).status_code == 401
    client.force_login(alice.user)
    assert send(client, method, address_of(path, row), None, body).status_code == 401


def test_every_route_of_keys_audit_and_usage_is_in_the_table() -> None:
    ours = {f"/api/v1/{one.pattern}" for one in native.urlpatterns}
    ours = {path.replace("<uuid:key_id>", "{key}") for path in ours if path.split("/")[3] in MINE}
    assert ours == {line[1] for line in TABLE if line[1].split("/")[3] in MINE}

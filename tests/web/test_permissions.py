"""Who may see and do what on the pages. A new page is a new line."""

from __future__ import annotations

import pytest
from django.test import Client

from tenants.models import Role, Tenant
from tests.conftest import Character, join
from tests.web.conftest import Make

UNKNOWN = "00000000-0000-4000-8000-000000000000"
EVERYBODY = {Role.OWNER: 200, Role.ADMIN: 200, Role.EDITOR: 200, Role.VIEWER: 200}
MANAGERS = {Role.OWNER: 200, Role.ADMIN: 200, Role.EDITOR: 403, Role.VIEWER: 403}
# Success is 302 where the page answers with a redirect, 400 where the body was left out on purpose.
EDITORS_302 = {Role.OWNER: 302, Role.ADMIN: 302, Role.EDITOR: 302, Role.VIEWER: 403}
EDITORS_400 = {Role.OWNER: 400, Role.ADMIN: 400, Role.EDITOR: 400, Role.VIEWER: 403}
MANAGERS_302 = {Role.OWNER: 302, Role.ADMIN: 302, Role.EDITOR: 403, Role.VIEWER: 403}

TABLE = [
    ("GET", "/recordings/", EVERYBODY),
    ("GET", "/recordings/rows/", EVERYBODY),
    ("POST", "/recordings/", EDITORS_400),
    ("GET", "/recordings/{recording}/", EVERYBODY),
    ("POST", "/recordings/{recording}/delete/", EDITORS_302),
    ("POST", "/recordings/{recording}/again/", EDITORS_302),
    ("GET", "/transcriptions/{transcription}/download.srt", EVERYBODY),
    ("GET", "/usage/", EVERYBODY),
    ("GET", "/keys/", MANAGERS),
    ("POST", "/keys/", MANAGERS),
    ("POST", "/keys/{unknown}/revoke/", MANAGERS_302),
]
CASES = [(method, url, role, status) for method, url, roles in TABLE for role, status in roles.items()]


@pytest.mark.parametrize(("method", "url", "role", "status"), CASES)
def test_each_role_may_do_what_the_table_says(
    method: str, url: str, role: str, status: int, acme: Tenant, make: Make, client: Client
) -> None:
    row = make(acme)
    client.force_login(join(acme, "somebody@acme.example", role).user)
    address = url.format(recording=row.recording_id, transcription=row.id, unknown=UNKNOWN)
    assert client.generic(method, address).status_code == status


@pytest.mark.parametrize(("method", "url"), [(method, url) for method, url, _roles in TABLE if "{unknown}" not in url])
def test_a_stranger_gets_the_answer_for_nothing(
    method: str, url: str, acme: Tenant, mallory: Character, make: Make, client: Client
) -> None:
    row = make(acme, name="Acme's secret plan.mp3")
    client.force_login(mallory.user)
    answer = client.generic(method, url.format(recording=row.recording_id, transcription=row.id))
    assert answer.status_code == 404 if "{" in url else b"secret plan" not in answer.content


@pytest.mark.parametrize(("method", "url"), [(method, url) for method, url, _roles in TABLE])
def test_nobody_signs_in_first(method: str, url: str, acme: Tenant, make: Make, client: Client) -> None:
    row = make(acme)
    answer = client.generic(method, url.format(recording=row.recording_id, transcription=row.id, unknown=UNKNOWN))
    assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (302, "/accounts/login/")

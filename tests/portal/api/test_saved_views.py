"""Saved views of the library that programs make for everybody."""

from __future__ import annotations

from typing import Any, cast
from uuid import uuid4

import pytest
from django.test import Client

from portal.api.native.schemas.saved_views import SavedQuery
from portal.web.forms import FilterForm
from tenants import scope
from tenants.models import AuditEntry
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.web.conftest import signed_in
from transcription.folders import folders
from transcription.library import saved_views
from transcription.library.orders import NEWEST

pytestmark = pytest.mark.django_db
VIEWS = "/api/v1/views"


def test_what_a_program_saves_everybody_opens_and_its_name_is_had_once(
    alice: Character, bob: Character, client: Client
) -> None:
    admin = bearer(alice)
    body = {"name": " To  proofread ", "query": {"checked": "to_check", "order": "oldest", "tag": ""}}
    made = send(client, "POST", VIEWS, admin, body)
    one, address = made.json(), made["Location"]
    assert (made.status_code, one["name"]) == (201, "To proofread")
    assert one["query"] == {"checked": "to_check", "order": "oldest"}
    again = send(client, "POST", VIEWS, admin, {"name": "To proofread", "query": {"held": "1"}})
    assert (again.status_code, again.json()) == (200, one | {"query": {"held": "1"}})
    assert client.get(VIEWS, headers=admin).json()["results"] == [again.json()]
    other = send(client, "POST", VIEWS, admin, {"name": "Other", "query": {"folder": "none"}})["Location"]
    assert send(client, "PATCH", other, admin, {"name": "To proofread"}).json()["param"] == "name"
    send(client, "DELETE", other, admin)
    send(client, "PATCH", address, admin, {"name": "On hold"})
    signed_in(client, bob)
    page = client.get("/views/").content.decode()
    assert "/recordings/?held=1" in page
    assert "On hold" in page
    assert send(client, "DELETE", address, admin).status_code == 204
    assert client.get(address, headers=admin).status_code == 404
    with scope.bound(alice.tenant.id):
        told = AuditEntry.objects.filter(action__startswith="view.").order_by("id")
        assert [one.action for one in told if one.details["name"] != "Other"] == [
            *("view.shared", "view.shared", "view.renamed", "view.deleted")
        ]
        assert {one.details["name"] for one in told} == {"To proofread", "Other", "On hold"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": "x", "query": {"order": "random"}}, "order"),
        ({"name": "x", "query": {"page": "2"}}, "page"),
        ({"name": "x", "query": {"search": "o" * 201}}, "search"),
        ({"name": "x", "query": {"folder": "nonsense"}}, "folder"),
        ({"name": "x", "query": {"key": "nonsense"}}, "key"),
        ({"name": " ", "query": {}}, "name"),
    ],
)
def test_a_program_hears_what_the_page_would_pass_over(
    body: object, param: str, alice: Character, client: Client
) -> None:
    answer = send(client, "POST", VIEWS, bearer(alice), body)
    assert (answer.status_code, answer.json()["param"]) == (400, param), answer.content


def test_the_names_are_those_of_the_library_s_address() -> None:
    fields = FilterForm.base_fields
    assert set(SavedQuery.model_fields) == set(fields)
    for name, known in saved_views.CHOICES.items():
        offered = {value for value, _label in cast(Any, fields[name]).choices if value}
        assert offered == set(known) - {NEWEST}, "which the page takes for granted"


def test_a_program_sees_no_member_s_own_and_in_folders_only_those_of_its_own(
    alice: Character, bob: Character, client: Client
) -> None:
    with scope.bound(alice.tenant.id):
        press = str(folders.create(alice.actor, "Press").id)
        own, _new = saved_views.save(bob.actor, "Bob's own", {"folder": press})
        for name, query in (("Press", {"folder": press}), ("Sales", {"folder": str(uuid4())}), ("All", {})):
            saved_views.save(alice.actor, name, query, shared=True)

    def told(**key: object) -> list[str]:
        answer = client.get(VIEWS, headers=bearer(alice, "read", **key))
        return [one["name"] for one in answer.json()["results"]]

    assert told() == ["All", "Press", "Sales"]
    assert told(folders=[press]) == ["Press"]
    assert client.get(f"{VIEWS}/{own.id}", headers=bearer(alice)).status_code == 404

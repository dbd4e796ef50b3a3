"""What an organisation decides for itself, decided by a program."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from portal.web.forms import PreferencesForm
from tenants import scope
from tenants.models import AuditEntry, Tenant
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from transcription.transcripts import terms

pytestmark = pytest.mark.django_db
PREFERENCES, ACCESS = "/api/v1/preferences", "/api/v1/preferences/access"


def changes_told(tenant: Tenant) -> list[Any]:
    with scope.bound(tenant.id):
        rows = AuditEntry.objects.filter(action="preferences.changed").order_by("id")
        return [(row.actor_kind, row.details["fields"]) for row in rows]


def test_a_program_changes_some_and_the_rest_stays(alice: Character, client: Client) -> None:
    admin = bearer(alice)
    with scope.bound(alice.tenant.id):
        terms.create(alice.actor, "Renard")
    Tenant.objects.filter(id=alice.tenant.id).update(default_model="gone", hotwords="Acme")
    before = client.get(PREFERENCES, headers=admin).json()
    assert set(before) == set(PreferencesForm.base_fields)
    wanted = {"languages": "en, de", "speakers": "auto", "hears_terms": True, "bin_days": 7, "hotwords": "Acme"}
    answer = send(client, "PATCH", PREFERENCES, admin, wanted)
    assert answer.json() == before | wanted | {"languages": ["de", "en"]}
    assert client.get(PREFERENCES, headers=admin).json() == answer.json()
    read = {"languages": answer.json()["languages"]}
    assert send(client, "PATCH", PREFERENCES, admin, read).json() == answer.json(), "as it was read"
    assert Tenant.objects.get(id=alice.tenant.id).term_hotwords == "Renard"
    send(client, "PATCH", PREFERENCES, admin, {"bin_days": 7})
    access = send(client, "PATCH", ACCESS, admin, {"allows_sharing": False}).json()
    assert access == {"allows_sharing": False, "allows_guests": True, "bars_support": False}
    told = changes_told(alice.tenant)
    assert [(kind, sorted(fields)) for kind, fields in told] == [
        ("key", ["bin_days", "hears_terms", "languages", "speakers"]),
        ("key", ["allows_sharing"]),
    ]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"default_mode": "slow"}, "default_mode"),
        ({"default_model": "huge-v9"}, "default_model"),
        ({"languages": "klingon"}, "languages"),
        ({"hotwords": "x" * 2001}, "hotwords"),
        ({"speakers": ""}, "speakers"),
        ({"bin_days": 366}, "bin_days"),
        ({"hears_terms": "yes"}, "hears_terms"),
        ({"allows_sharing": False}, "allows_sharing"),
        ({"audio_retention_days": 1}, "audio_retention_days"),
    ],
)
def test_what_the_page_refuses_is_refused_and_named(
    body: dict[str, Any], param: str, alice: Character, client: Client
) -> None:
    answer = send(client, "PATCH", PREFERENCES, bearer(alice), {"hotwords": "Renard"} | body)
    assert (answer.status_code, answer.json()["param"]) == (400, param)
    assert Tenant.objects.get(id=alice.tenant.id).hotwords == ""
    assert changes_told(alice.tenant) == []

"""How an organisation wants its recordings transcribed: its owner says so."""

from __future__ import annotations

from html import unescape

import pytest
from django.test import Client

from tenants import scope
from tenants.models import Tenant
from tests.conftest import Character
from transcription.options import offered_models
from transcription.transcripts import terms

WISHES = {"default_mode": "exact", "short_clip_model": "base", "languages": "de,en", "hotwords": "Acme\nDr. Fox"} | {
    "default_model": "base",
    "speakers": "auto",
    "bin_days": "7",
}


def wishes_of(tenant: Tenant) -> dict[str, str]:
    row = Tenant.objects.get(id=tenant.id)
    return {name: getattr(row, name) for name in WISHES}


def test_an_owner_says_how_recordings_are_transcribed(as_alice: Client, acme: Tenant) -> None:
    answer = as_alice.post("/preferences/", WISHES, follow=True)
    assert "Saved." in answer.content.decode()
    kept = wishes_of(acme)
    assert kept | {"hotwords": kept["hotwords"].split()} == WISHES | {"hotwords": ["Acme", "Dr.", "Fox"], "bin_days": 7}
    page = unescape(as_alice.get("/preferences/").content.decode())
    assert '<option value="exact" selected>' in page
    assert '<option value="base" selected>' in page
    assert "Dr. Fox" in page


def test_terms_that_are_there_already_are_heard_once_it_is_wanted(
    as_alice: Client, alice: Character, acme: Tenant
) -> None:
    with scope.bound(acme.id):
        terms.create(alice.actor, "Renard")
    Tenant.objects.filter(id=acme.id).update(term_hotwords="")  # as after an upgrade
    as_alice.post("/preferences/", WISHES | {"hears_terms": "on"})
    tenant = Tenant.objects.get(id=acme.id)
    assert (tenant.hears_terms, tenant.term_hotwords) == (True, "Renard")


def test_what_else_is_known_of_the_tenant_stays_as_it_is(as_alice: Client, acme: Tenant) -> None:
    as_alice.post("/preferences/", WISHES | {"name": "Evil", "is_active": "", "audio_retention_days": "1"})
    tenant = Tenant.objects.get(id=acme.id)
    assert (tenant.name, tenant.is_active, tenant.audio_retention_days) == ("Acme", True, None)


@pytest.mark.parametrize(
    "nonsense",
    [
        *(
            {"default_mode": "slow"},
            {"short_clip_model": "huge-v9"},
            {"default_model": "huge-v9"},
            {"languages": "klingon"},
            {"hotwords": "x" * 2001},
        ),
        {"speakers": "many"},
    ],
    ids=str,
)
def test_nonsense_changes_nothing_and_is_said(nonsense: dict[str, str], as_alice: Client, acme: Tenant) -> None:
    before = wishes_of(acme)
    answer = as_alice.post("/preferences/", WISHES | nonsense)
    assert "field__errors" in answer.content.decode()
    assert wishes_of(acme) == before


def test_a_viewer_neither_sees_nor_changes_it(as_bob: Client, acme: Tenant) -> None:
    before = wishes_of(acme)
    assert "/preferences/" not in as_bob.get("/recordings/").content.decode()
    assert as_bob.get("/preferences/").status_code == 403
    assert as_bob.post("/preferences/", WISHES).status_code == 403
    assert wishes_of(acme) == before


def test_mallory_sees_and_changes_her_own(client: Client, acme: Tenant, mallory: Character) -> None:
    Tenant.objects.filter(id=acme.id).update(hotwords="Project Renard")
    client.force_login(mallory.user)
    assert "Renard" not in client.get("/preferences/").content.decode()
    client.post("/preferences/", WISHES)
    assert wishes_of(acme)["hotwords"] == "Project Renard"
    assert wishes_of(mallory.tenant)["default_mode"] == "exact"


def test_only_models_that_are_offered_can_be_chosen(as_alice: Client) -> None:
    page = as_alice.get("/preferences/").content.decode()
    for field in ("default_model", "short_clip_model"):
        chosen = page.split(f'name="{field}"')[1].split("</select>")[0]
        assert chosen.count("<option") == 1 + len(offered_models.offered_models())

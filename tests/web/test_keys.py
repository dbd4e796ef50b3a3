"""API keys on their page: shown once, then never again."""

from __future__ import annotations

import re
from html import unescape

from django.test import Client

from tenants import apikeys, scope
from tenants.models import ApiKey
from tests.conftest import Character


def make_key(client: Client, name: str = "Podcast importer") -> tuple[str, str]:
    """The page that answers, and the secret on it."""
    text = unescape(client.post("/keys/", {"name": name}).content.decode())
    found = re.search(r'id="secret">(wp_[^<]+)<', text)
    assert found is not None
    return text, found[1]


def test_a_new_key_works_and_is_shown_exactly_once(as_alice: Client, alice: Character) -> None:
    page, secret = make_key(as_alice)
    actor = apikeys.authenticate(secret)
    assert actor is not None
    assert actor.tenant == alice.tenant
    assert f'-H "Authorization: Bearer {secret}"' in page
    assert secret not in as_alice.get("/keys/").content.decode()


def test_the_page_with_a_secret_is_not_kept_by_anybody(as_alice: Client) -> None:
    answer = as_alice.post("/keys/", {"name": "x"})
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_key_needs_a_name(as_alice: Client) -> None:
    assert 'id="secret"' not in as_alice.post("/keys/", {"name": " "}).content.decode()


def test_a_revoked_key_is_refused_from_then_on(as_alice: Client, alice: Character) -> None:
    _page, secret = make_key(as_alice)
    with scope.bound(alice.tenant.id):
        key = ApiKey.objects.get(name="Podcast importer")
    as_alice.post(f"/keys/{key.id}/revoke/")
    assert apikeys.authenticate(secret) is None
    assert "Revoked" in as_alice.get("/keys/").content.decode()


def test_another_tenant_s_key_can_t_be_revoked(as_alice: Client, mallory: Character) -> None:
    with scope.bound(mallory.tenant.id):
        key = ApiKey.objects.get()
    as_alice.post(f"/keys/{key.id}/revoke/")
    assert apikeys.authenticate(mallory.secret) is not None

"""API keys on their page: shown once, then never again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from tenants import api_keys, scope
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
    actor = api_keys.authenticate(secret)
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
    assert api_keys.authenticate(secret) is None
    assert "Revoked" in as_alice.get("/keys/").content.decode()


def test_another_tenant_s_key_can_t_be_revoked(as_alice: Client, mallory: Character) -> None:
    with scope.bound(mallory.tenant.id):
        key = ApiKey.objects.get()
    as_alice.post(f"/keys/{key.id}/revoke/")
    assert api_keys.authenticate(mallory.secret) is not None


def key_of(who: Character, name: str = "Podcast importer") -> ApiKey:
    with scope.bound(who.tenant.id):
        return ApiKey.objects.get(name=name)


def test_a_key_is_made_with_a_scope_a_last_day_and_addresses(as_alice: Client, alice: Character) -> None:
    form = {"name": "Reader", "scope": "read", "expires_on": "2099-01-31", "addresses": "203.0.113.9\r\n10.0.0.0/8,::1"}
    page = unescape(as_alice.post("/keys/", form).content.decode())
    assert "/api/v1/recordings" in page, "an example that a key to read may run"
    key = key_of(alice, "Reader")
    assert (key.scope, key.addresses) == ("read", ["203.0.113.9", "10.0.0.0/8", "::1"])
    assert key.expires_at == datetime(2099, 2, 1, tzinfo=UTC), "the last day counts"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"addresses": "example.com"}, "“example.com” is not an IP address"),
        ({"expires_on": "2020-01-31"}, "must be in the future"),
        ({"expires_on": "9999-12-31"}, "less than or equal"),
        ({"scope": "root"}, "not one of the available choices"),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field(wrong: dict[str, str], said: str, as_alice: Client) -> None:
    page = unescape(as_alice.post("/keys/", {"name": "x"} | wrong).content.decode())
    assert said in page
    assert 'id="secret"' not in page
    assert '<details class="more key-limits" open>' in page or "scope" in wrong


def test_name_last_day_and_addresses_change(as_alice: Client, alice: Character) -> None:
    make_key(as_alice)
    key = key_of(alice)
    address = f"/keys/{key.id}/"
    form = {"name": "Importer", "expires_on": "2099-01-31", "addresses": "::ffff:203.0.113.9"}
    assert as_alice.post(address, form).status_code == 302
    key = key_of(alice, "Importer")
    assert (key.addresses, key.expires_at) == (["203.0.113.9"], datetime(2099, 2, 1, tzinfo=UTC))
    page = as_alice.get(address).content.decode()
    assert 'value="2099-01-31"' in page
    assert "is not an IP address" in unescape(as_alice.post(address, form | {"addresses": "nowhere"}).content.decode())


def test_an_expiry_that_a_program_has_set_is_kept_to_the_second(as_alice: Client, alice: Character) -> None:
    make_key(as_alice)
    moment = datetime(2099, 1, 31, 12, 30, 15, tzinfo=UTC)
    with scope.bound(alice.tenant.id):
        ApiKey.objects.filter(name="Podcast importer").update(expires_at=moment)
    as_alice.post(f"/keys/{key_of(alice).id}/", {"name": "Importer", "expires_on": "2099-01-31", "addresses": ""})
    assert key_of(alice, "Importer").expires_at == moment


def test_a_rotated_key_shows_its_new_secret_once_and_the_old_one_can_be_ended(
    as_alice: Client, alice: Character
) -> None:
    _page, old = make_key(as_alice)
    address = f"/keys/{key_of(alice).id}/"
    answer = as_alice.post(f"{address}rotate/", {"grace": "3600"})
    assert "no-store" in answer.headers["Cache-Control"]
    found = re.search(r'id="secret">(wp_[^<]+)<', unescape(answer.content.decode()))
    assert found is not None
    assert api_keys.authenticate(old)
    assert api_keys.authenticate(found[1])
    page = as_alice.get(address).content.decode()
    assert found[1] not in page
    assert "The old secret still works" in page
    as_alice.post(f"{address}rotate/", {"grace": "3600"})
    assert api_keys.authenticate(old), "a second rotation in its grace changes nothing"
    as_alice.post(f"{address}end-old-secret/")
    with pytest.raises(api_keys.KeyRefused):
        api_keys.authenticate(old)
    assert "The old secret still works" not in as_alice.get(address).content.decode()


def test_a_grace_that_nobody_offers_rotates_nothing(as_alice: Client, alice: Character) -> None:
    _page, secret = make_key(as_alice)
    as_alice.post(f"/keys/{key_of(alice).id}/rotate/", {"grace": "99999999"})
    assert key_of(alice).old_until is None
    assert api_keys.authenticate(secret)


def test_the_state_of_a_key_is_said(as_alice: Client, alice: Character) -> None:
    make_key(as_alice)
    address = f"/keys/{key_of(alice).id}/"
    assert "Live" in as_alice.get(address).content.decode()
    with scope.bound(alice.tenant.id):
        ApiKey.objects.filter(name="Podcast importer").update(expires_at=timezone.now() - timedelta(days=1))
    page = as_alice.get(address).content.decode()
    assert "Expired" in page
    assert "/rotate/" not in page
    as_alice.post(f"{address}revoke/")
    page = as_alice.get(address).content.decode()
    assert "Revoked" in page
    assert "/revoke/" not in page

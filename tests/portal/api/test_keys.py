"""API keys through the API: managed by programs, and refused with the right words in both APIs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any, cast

import httpx
import openai
import pytest
import time_machine
from channels.db import database_sync_to_async as in_thread
from django.test import Client
from django.utils import timezone
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from portal.asgi import application
from tenants import api_keys, scope
from tests.conftest import Character
from tests.portal.api.characters import bearer, expired, send
from tests.portal.http.test_uploads import Client as Uploader
from tests.portal.http.test_uploads import form

KEYS, RECORDINGS, MODELS = "/api/v1/keys", "/api/v1/recordings", "/v1/models"
HERE, ELSEWHERE = "203.0.113.9", "198.51.100.7"


def secret_of(headers: dict[str, str]) -> str:
    return headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller


@pytest.mark.django_db
class TestManaging:
    def test_a_key_is_made_shown_once_and_works(self, alice: Character, client: Client) -> None:
        admin = bearer(alice)
        wanted = {"name": "Importer", "scope": "read", "addresses": ["127.0.0.0/8"], "expires_at": "2099-01-31T12:00Z"}
        made = send(client, "POST", KEYS, admin, wanted)
        assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
        body = made.json()
        assert (body["scope"], body["state"], body["addresses"]) == ("read", "live", ["127.0.0.0/8"])
        assert body["expires_at"] == "2099-01-31T12:00:00+00:00"
        again = send(client, "GET", made.headers["Location"], admin).json()
        assert again == {name: value for name, value in body.items() if name != "secret"}
        assert send(client, "GET", RECORDINGS, {"Authorization": f"Bearer {body['secret']}"}).status_code == 200

    def test_lists_are_paged_and_hold_no_secret(self, alice: Character, client: Client) -> None:
        admin = bearer(alice)
        names = [send(client, "POST", KEYS, admin, {"name": f"Key {n}"}).json()["name"] for n in range(3)]
        first = send(client, "GET", f"{KEYS}?limit=2", admin).json()
        second = send(client, "GET", first["next"], admin).json()
        listed = first["results"] + second["results"]
        assert [row["name"] for row in listed][:3] == names[::-1]
        assert not {"secret", "digest", "old_digest"} & set().union(*listed)

    def test_a_key_changes_its_name_expiry_and_addresses(self, alice: Character, client: Client) -> None:
        admin = bearer(alice)
        key = send(client, "POST", KEYS, admin, {"name": "x"}).json()
        assert (key["scope"], key["expires_at"], key["addresses"]) == ("write", None, [])
        changed = send(
            client,
            "PATCH",
            f"{KEYS}/{key['id']}",
            admin,
            {"name": "y", "expires_at": "2099-01-01T00:00:00+08:00", "addresses": ["::ffff:203.0.113.9"]},
        ).json()
        assert (changed["name"], changed["addresses"]) == ("y", [HERE])
        assert changed["expires_at"] == "2098-12-31T16:00:00+00:00"
        assert send(client, "GET", f"{KEYS}/{key['id']}", admin).json() == changed
        cleared = send(client, "PATCH", f"{KEYS}/{key['id']}", admin, {"expires_at": None, "addresses": []}).json()
        assert (cleared["expires_at"], cleared["addresses"]) == (None, [])

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({}, "name"),
            ({"name": " "}, "name"),
            ({"name": 7}, "name"),
            ({"name": "a\nb"}, "name"),
            ({"name": "x", "scope": "root"}, "scope"),
            ({"name": "x", "scope": 1}, "scope"),
            ({"name": "x", "scopes": "read"}, "scopes"),
            ({"name": "x", "expires_at": "tomorrow"}, "expires_at"),
            ({"name": "x", "expires_at": "2099-01-31T12:00"}, "expires_at"),
            ({"name": "x", "expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at"),
            ({"name": "x", "expires_at": "2020-01-31T12:00Z"}, "expires_at"),
            ({"name": "x", "expires_at": 4102444800}, "expires_at"),
            ({"name": "x", "addresses": HERE}, "addresses"),
            ({"name": "x", "addresses": ["example.com"]}, "addresses"),
            ([], "body"),
        ],
    )
    def test_what_makes_no_sense_is_named(self, body: Any, param: str, alice: Character, client: Client) -> None:
        answer = send(client, "POST", KEYS, bearer(alice), body)
        assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (400, "invalid_value", param)

    def test_a_rotated_key_has_two_secrets_until_the_old_one_ends(self, alice: Character, client: Client) -> None:
        admin = bearer(alice)
        made = send(client, "POST", KEYS, admin, {"name": "x"}).json()
        old = {"Authorization": f"Bearer {made['secret']}"}
        rotated = send(client, "POST", f"{KEYS}/{made['id']}/rotate", admin, {"grace_seconds": 3600})
        assert rotated.headers["Cache-Control"] == "no-store"
        new = {"Authorization": f"Bearer {rotated.json()['secret']}"}
        assert rotated.json()["old_secret"]["prefix"] == made["prefix"]
        assert [send(client, "GET", RECORDINGS, one).status_code for one in (old, new)] == [200, 200]
        again = send(client, "POST", f"{KEYS}/{made['id']}/rotate", admin)
        assert (again.status_code, again.json()["code"]) == (409, "rotation_under_way")
        assert send(client, "DELETE", f"{KEYS}/{made['id']}/old-secret", admin).status_code == 204
        assert [send(client, "GET", RECORDINGS, one).status_code for one in (old, new)] == [401, 200]
        assert send(client, "GET", f"{KEYS}/{made['id']}", admin).json()["old_secret"] is None

    @pytest.mark.parametrize("grace", [-1, 7 * 86400 + 1, "3600", 1.5, True])
    def test_a_grace_is_a_week_at_most(self, grace: Any, alice: Character, client: Client) -> None:
        admin = bearer(alice)
        made = send(client, "POST", KEYS, admin, {"name": "x"}).json()
        answer = send(client, "POST", f"{KEYS}/{made['id']}/rotate", admin, {"grace_seconds": grace})
        assert (answer.status_code, answer.json()["param"]) == (400, "grace_seconds")

    def test_a_revoked_key_stays_in_the_list_and_changes_no_more(self, alice: Character, client: Client) -> None:
        admin = bearer(alice)
        made = send(client, "POST", KEYS, admin, {"name": "x"}).json()
        address = f"{KEYS}/{made['id']}"
        assert send(client, "DELETE", address, admin).status_code == 204
        assert send(client, "DELETE", address, admin).status_code == 204
        assert send(client, "GET", address, admin).json()["state"] == "revoked"
        for answer in (
            send(client, "PATCH", address, admin, {"name": "y"}),
            send(client, "POST", f"{address}/rotate", admin),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "key_revoked")
        assert send(client, "GET", RECORDINGS, {"Authorization": f"Bearer {made['secret']}"}).status_code == 401

    def test_a_key_that_expires_makes_none_that_does_not(self, alice: Character, client: Client) -> None:
        admin = bearer(alice, expires_at=timezone.now() + timedelta(days=1))
        answer = send(client, "POST", KEYS, admin, {"name": "for ever"})
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


@pytest.mark.django_db(transaction=True)
class TestRefusals:
    """The cause is named to the holder of the secret, in the words of either API."""

    def both(self, client: Client, headers: dict[str, str], **more: Any) -> tuple[Any, Any]:
        return client.get(RECORDINGS, headers=headers, **more), client.get(MODELS, headers=headers, **more)

    def test_an_expired_key(self, alice: Character, client: Client, clock: time_machine.Traveller) -> None:
        headers = bearer(alice, "read", expires_at=timezone.now() + timedelta(hours=1))
        assert [answer.status_code for answer in self.both(client, headers)] == [200, 200]
        clock.shift(timedelta(hours=2))
        native, openais = self.both(client, headers)
        assert (native.status_code, native.json()["code"]) == (401, "key_expired")
        assert native.headers["Content-Type"] == "application/problem+json"
        assert (openais.status_code, openais.json()["error"]["code"]) == (401, "invalid_api_key")
        for answer in (native, openais):
            assert "expired" in answer.content.decode()
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    def test_a_secret_that_was_replaced(self, alice: Character, client: Client) -> None:
        with scope.bound(alice.tenant.id):
            key = api_keys.keys(alice.actor)[0]
            api_keys.rotate(alice.actor, key.id, timedelta(0))
        native, openais = self.both(client, alice.bearer)
        assert (native.status_code, native.json()["code"]) == (401, "secret_replaced")
        assert (openais.status_code, openais.json()["error"]["code"]) == (401, "invalid_api_key")

    def test_a_forbidden_address(self, alice: Character, client: Client) -> None:
        headers = bearer(alice, "read", addresses=[f"{HERE}/32", "2001:db8::/32"])
        for address in (HERE, f"::ffff:{HERE}", "2001:db8::7"):
            assert [one.status_code for one in self.both(client, headers, REMOTE_ADDR=address)] == [200, 200]
        native, openais = self.both(client, headers, REMOTE_ADDR=ELSEWHERE)
        assert (native.status_code, native.json()["code"]) == (403, "address_not_allowed")
        assert (openais.status_code, openais.json()["error"]["code"]) == (403, "address_not_allowed")
        for answer in (native, openais):
            assert ELSEWHERE in answer.content.decode()
            assert HERE not in answer.content.decode()

    def test_an_address_that_a_stranger_claims(self, alice: Character, client: Client) -> None:
        headers = bearer(alice, "read", addresses=[HERE])
        claims = {"X-Forwarded-For": HERE, "X-Real-IP": HERE, "Forwarded": f"for={HERE}"}
        native, openais = self.both(client, headers | claims, REMOTE_ADDR=ELSEWHERE)
        assert (native.status_code, openais.status_code) == (403, 403)

    async def test_an_address_that_a_proxy_says(self, alice: Character) -> None:
        """As uvicorn has it with FORWARDED_ALLOW_IPS: nginx, which is in the private network, is believed."""
        headers = await in_thread(bearer)(alice, "read", addresses=[HERE])
        behind = cast(Any, ProxyHeadersMiddleware(cast(Any, application), trusted_hosts="10.0.0.0/8"))
        for connection, said, status in (
            ("10.0.0.2", HERE, 200),
            ("10.0.0.2", ELSEWHERE, 403),
            ("10.0.0.2", f"{HERE}, {ELSEWHERE}", 403),  # the first is what a client claimed of itself
            (ELSEWHERE, HERE, 403),
        ):
            transport = httpx.ASGITransport(behind, client=(connection, 4711))
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
                answer = await http.get(RECORDINGS, headers=headers | {"X-Forwarded-For": said})
            assert (connection, said, answer.status_code) == (connection, said, status)

    def test_a_refused_key_costs_its_tenant_no_request(self, alice: Character, client: Client) -> None:
        native, openais = self.both(client, bearer(alice, "read", addresses=[HERE]), REMOTE_ADDR=ELSEWHERE)
        assert "RateLimit" not in native.headers
        assert "RateLimit" not in openais.headers

    async def test_openais_sdk_knows_what_they_mean(self, alice: Character) -> None:
        old = await in_thread(expired)(alice, "read")
        elsewhere = await in_thread(bearer)(alice, "read", addresses=[HERE])
        for headers, kind in ((old, openai.AuthenticationError), (elsewhere, openai.PermissionDeniedError)):
            transport = httpx.ASGITransport(application, client=(ELSEWHERE, 4711))
            http: Any = httpx.AsyncClient(transport=transport, base_url="http://testserver")
            secret = secret_of(headers)
            sdk = openai.AsyncOpenAI(base_url="http://testserver/v1", api_key=secret, max_retries=0, http_client=http)
            with pytest.raises(kind):
                await sdk.models.list()

    @pytest.mark.parametrize("cause", ["scope", "address", "expiry"])
    async def test_an_upload_is_refused_before_its_body_is_read(self, cause: str, alice: Character) -> None:
        make = {
            "scope": partial(bearer, alice, "read"),
            "address": partial(bearer, alice, "write", addresses=[HERE]),
            "expiry": partial(expired, alice),
        }[cause]
        headers = await in_thread(make)()
        uploader = Uploader(secret_of(headers))
        await uploader.post(form(bytes(40_000_000)))
        assert uploader.outcome is None
        assert uploader.read < 5_000_000, "no more than lets the client see the answer"
        transport = httpx.ASGITransport(application, client=(ELSEWHERE, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            for path in ("/v1/audio/transcriptions", "/api/v1/recordings"):
                answer = await http.post(path, files={"file": ("a.wav", b"x")}, data={"model": "base"}, headers=headers)
                assert answer.status_code == (401 if cause == "expiry" else 403), answer.text

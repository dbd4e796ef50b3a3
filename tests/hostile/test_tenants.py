"""Alice is in two organisations. What a page of one says never ends in the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.hostile.conftest import Product

SECOND = """
from tenants.models import Member, Quota, Tenant, User
tenant = Tenant.objects.create(name="Second")
Quota.with_defaults(tenant).save()
dora = User.objects.create_user("dora@acme.example", "correct horse battery")
for one in (tenant, Tenant.objects.get(name="Acme")):
    Member.objects.create(tenant=one, user=dora, role="owner")
print(tenant.id)
"""
COUNT = """
from tenants import scope
from transcription.models import Recording
with scope.across_tenants("a test"):
    print(Recording.objects.filter(name="tabs.wav").count())
"""


@pytest.fixture(scope="module")
def second(product: Product) -> str:
    return product.python(SECOND).strip()


@pytest.fixture
def acme(product: Product) -> str:
    return product.people["alice"].tenant_id


@pytest.fixture
def dora(product: Product, second: str) -> Iterator[httpx.Client]:
    """Signed in, and in Second: another tab has switched."""
    with product.browser() as client:
        client.get("/accounts/login/")
        form = {"login": "dora@acme.example", "password": "correct horse battery"}
        assert client.post("/accounts/login/", data=form | token(client)).status_code == 302
        assert client.post("/tenant/", data={"tenant": second} | token(client)).status_code == 302
        yield client


def token(client: httpx.Client) -> dict[str, str]:
    return {"csrfmiddlewaretoken": client.cookies["csrftoken"]}


def headers(client: httpx.Client, tenant: str) -> dict[str, str]:
    return {"X-CSRFToken": client.cookies["csrftoken"], "X-Page-Tenant": tenant, "Accept": "application/json"}


def test_a_form_of_the_other_organisation_is_409_with_the_way_on(dora: httpx.Client, acme: str) -> None:
    answer = dora.post("/keys/", data={"name": "Robot", "page_tenant": acme} | token(dora))
    assert answer.status_code == 409
    assert "This page belongs to Acme, but you work in Second now. Switch to Acme, then try again." in answer.text


def test_an_upload_of_the_other_organisation_is_409_and_kept_nowhere(
    product: Product, dora: httpx.Client, acme: str, second: str, fox: Path
) -> None:
    files = {"file": ("tabs.wav", fox.read_bytes(), "audio/wav")}
    answer = dora.post("/recordings/", files=files, headers=headers(dora, acme))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "other_tenant")
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Content-Type": "application/offset+octet-stream"}
    for body in (b"", b"123456789"):
        answer = dora.post("/api/v1/uploads", content=body, headers=headers(dora, acme) | tus)
        assert (answer.status_code, answer.json()["code"]) == (409, "other_tenant")
    assert int(product.python(COUNT)) == 0
    made = dora.post(
        "/api/v1/uploads", headers=headers(dora, second) | {**tus, "Upload-Metadata": "filename dGFicy53YXY="}
    )
    assert made.status_code == 201
    piece = {**tus, "Upload-Offset": "0"}
    answer = dora.patch(made.headers["Location"], content=b"123", headers=headers(dora, acme) | piece)
    assert (answer.status_code, answer.json()["code"]) == (409, "other_tenant")
    assert dora.head(made.headers["Location"], headers=headers(dora, second) | tus).headers["Upload-Offset"] == "0"


def test_a_socket_of_the_other_organisation_is_closed(
    product: Product, dora: httpx.Client, acme: str, second: str
) -> None:
    cookie = f"sessionid={dora.cookies['sessionid']}"

    async def first_word(tenant: str) -> Any:
        address = f"{product.stack.url.replace('http', 'ws', 1)}/ws/recordings/?tenant={tenant}"
        origin = {"Cookie": cookie, "Origin": product.stack.url}
        async with connect(address, additional_headers=origin) as socket:
            with suppress(ConnectionClosed):
                return json.loads(await socket.recv())
            return socket.close_code

    assert asyncio.run(first_word(acme)) == 4409
    assert asyncio.run(first_word(second)) == {"type": "ready"}

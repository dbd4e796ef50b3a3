"""Links for a new password and of invitations, as mail programs hand them on."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from channels.db import database_sync_to_async as in_thread

from portal.accounts import reset_mail
from portal.asgi import application
from tenants import invitations, scope
from tenants.invitations import Invitee
from tenants.models import Role
from tests.conftest import Character
from tests.portal.web.conftest import make_transcription
from transcription.redaction import redact
from transcription.shares import links

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("ending", ["/", ""])
async def test_a_link_leads_to_the_form_also_without_its_last_slash(ending: str, alice: Character) -> None:
    body = str((await in_thread(reset_mail)(alice.user)).body)
    [link] = [urlsplit(word).path for word in body.split() if "/password/reset/key/" in word]
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", follow_redirects=True) as http:
        page = await http.get(link.removesuffix("/") + ending)
    assert page.status_code == 200
    assert 'name="password1"' in page.text
    assert page.url.path.endswith("-set-password/")


@pytest.mark.parametrize("ending", ["/", ""])
async def test_an_invitation_opens_and_its_key_is_in_no_address(ending: str, alice: Character) -> None:
    def invited() -> str:
        with scope.bound(alice.tenant.id):
            [row] = invitations.invite(alice.actor, [Invitee("carol@acme.example", Role.EDITOR)])
        return urlsplit(invitations.link(row)).path

    link = await in_thread(invited)()
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", follow_redirects=True) as http:
        page = await http.get(link.removesuffix("/") + ending)
    assert page.status_code == 200
    assert "carol@acme.example" in page.text
    assert page.url.path == f"/accounts/invitations/{link[22:58]}/"


@pytest.mark.parametrize("ending", ["/", "", "/lines?at=0"])
async def test_a_shared_recording_opens_and_its_secret_is_in_no_path_that_anything_logs(
    ending: str, alice: Character, caplog: pytest.LogCaptureFixture
) -> None:
    def shared() -> str:
        with scope.bound(alice.tenant.id):
            row = make_transcription(alice.tenant)
            return links.create(alice.actor, row.recording_id, links.LinkOptions()).secret

    secret, scopes = await in_thread(shared)(), []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await application(scope, receive, send)

    transport = httpx.ASGITransport(app=watched)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
        answer = await http.get(f"/s/{secret}{ending}")
    assert answer.status_code == 200
    assert "Good morning." in answer.text
    [scope_] = scopes
    assert secret not in f"{scope_['path']} {scope_['raw_path']}"
    assert secret not in redact(f"GET http://testserver/s/{secret}/sound")
    assert secret not in caplog.text

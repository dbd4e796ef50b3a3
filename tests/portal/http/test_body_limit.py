"""Bodies that are too large, where somebody is signed in: the answer is a page like any other."""

from __future__ import annotations

import httpx
import pytest
from channels.db import database_sync_to_async as in_thread
from django.conf import settings
from django.test import Client

from portal.asgi import application
from portal.http.routes import FORM_BYTES
from tests.conftest import Character

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("path", ["/preferences/", "/accounts/login/", "/admin/login/"])
async def test_a_form_that_is_too_large_gets_a_page(path: str, alice: Character) -> None:
    browser = Client()
    await in_thread(browser.force_login)(alice.user)
    cookies = {settings.SESSION_COOKIE_NAME: browser.cookies[settings.SESSION_COOKIE_NAME].value}
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", cookies=cookies) as http:
        answer = await http.post(path, data={"name": "a" * FORM_BYTES})
    assert (answer.status_code, answer.headers["content-type"]) == (413, "text/html; charset=utf-8")
    assert "2.0" in answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-request-id"]

"""Somebody at the pages of a running product, without a browser."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import websockets
from websockets.typing import Origin

from tests.stack import Stack


class Browser:
    """Alice at her desk: a session cookie, forms with their tokens, and a WebSocket."""

    def __init__(self, stack: Stack) -> None:
        self.url, self.tenant = stack.url, ""
        self.http = httpx.AsyncClient(base_url=stack.url, follow_redirects=True, timeout=60)

    async def sign_in(self, email: str, password: str) -> httpx.Response:
        page = await self.http.get("/accounts/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token
        form = {"login": email, "password": password, "csrfmiddlewaretoken": token[1]}
        answer = await self.http.post("/accounts/login/", data=form, headers={"Referer": self.url})
        self.tenant = answer.text.partition('data-tenant="')[2].partition('"')[0]
        return answer

    async def upload(self, path: Path) -> dict[str, str]:
        headers = {"X-CSRFToken": self.http.cookies["csrftoken"], "Referer": self.url, "X-Page-Tenant": self.tenant}
        fields = {"language": "", "task": "transcribe", "model": "", "source": "upload"}
        with path.open("rb") as file:
            answer = await self.http.post(
                "/recordings/", data=fields, files={"file": (path.name, file.read())}, headers=headers
            )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def watch(self, transcription: str) -> list[dict[str, Any]]:
        """Every message of the page's WebSocket, until the transcription is over."""
        cookie = f"sessionid={self.http.cookies['sessionid']}"
        address = self.url.replace("http", "ws") + f"/ws/transcriptions/{transcription}/?tenant={self.tenant}"
        messages: list[dict[str, Any]] = []
        async with (
            asyncio.timeout(120),
            websockets.connect(address, origin=Origin(self.url), additional_headers={"Cookie": cookie}) as socket,
        ):
            async for text in socket:
                messages.append(json.loads(text))
                if messages[-1].get("status") in ("completed", "failed", "cancelled"):
                    return messages
        return messages

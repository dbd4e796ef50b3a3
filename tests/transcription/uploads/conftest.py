"""The portal's own ASGI application behind an HTTP client, and clients that speak tus."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.conf import LazySettings

from portal.asgi import application
from tenants import scope
from tests.conftest import Character, MakeMedia
from transcription.models import Recording

UNKNOWN = "/api/v1/uploads/00000000-0000-4000-8000-000000000000"
BYTES = {"Content-Type": "application/offset+octet-stream"}


@dataclass
class Tus:
    """One client. `headers` say who it is."""

    http: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)
    address: str = "/api/v1/uploads"

    async def ask(self, method: str, url: str, content: Any = None, **headers: str) -> httpx.Response:
        """Header names with underscores for dashes; an empty value leaves a header out."""
        own = {"Tus-Resumable": "1.0.0"} | self.headers
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, url, content=content, headers={k: v for k, v in own.items() if v})

    async def create(self, length: int, /, **metadata: str) -> str:
        """The new upload's address."""
        answer = await self.ask("POST", self.address, Upload_Length=str(length), Upload_Metadata=encoded(**metadata))
        assert answer.status_code == 201, answer.text
        return answer.headers["location"]

    async def patch(self, url: str, offset: int, content: Any, **headers: str) -> httpx.Response:
        return await self.ask("PATCH", url, content, **{"Upload_Offset": str(offset), **named(BYTES), **headers})

    async def offset(self, url: str) -> int:
        answer = await self.ask("HEAD", url)
        assert answer.status_code == 200, answer.status_code
        return int(answer.headers["upload-offset"])


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in headers.items()}


def encoded(**metadata: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())


def id_of(url: str) -> UUID:
    return UUID(url.rsplit("/", 1)[1])


@sync_to_async
def recordings() -> list[Recording]:
    with scope.across_tenants("a test looks"):
        return list(Recording.objects.select_related("created_by", "api_key").prefetch_related("transcriptions"))


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


@pytest.fixture
def tus(http: httpx.AsyncClient, alice: Character) -> Tus:
    return Tus(http, alice.bearer)


@pytest.fixture(autouse=True)
def uploads_dir(settings: LazySettings, tmp_path: Path) -> Path:
    settings.UPLOADS_DIR = tmp_path / "uploads"
    return tmp_path / "uploads"


@pytest.fixture
def sound(make_media: MakeMedia) -> bytes:
    """Ten seconds of a tone, 320 kB of WAV."""
    return make_media.tone("tone.wav", 10, "-ar", "16000").read_bytes()

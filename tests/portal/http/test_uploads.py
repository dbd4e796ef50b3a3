"""Uploads against the ASGI middleware itself, byte by byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore

from portal.http.body_limit import BodyLimitMiddleware
from portal.http.receiving import SCOPE_KEY, ReceivingMiddleware, UploadRefused
from portal.http.routes import Body
from portal.http.uploads import IncomingForm, Upload
from tenants.models import Quota
from tests.conftest import Character

pytestmark = pytest.mark.django_db(transaction=True)
BOUNDARY = "xyz"


def form(content: bytes = b"sound", name: str = "a.wav", **fields: str) -> bytes:
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return "".join(parts).encode() + head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


class Client:
    """Sends a body in chunks, and notes what the application behind saw and how much was read."""

    def __init__(self, secret: str, chunk: int = 65_536, cookie: str = "") -> None:
        self.secret, self.chunk, self.cookie = secret, chunk, cookie
        self.read = 0
        self.outcome: Upload | UploadRefused | None = None
        self.content = b""

    async def post(
        self,
        body: bytes,
        length: int | None = None,
        hang_up_after: int | None = None,
        path: str = "/v1/audio/transcriptions",
    ) -> None:
        headers = [
            (b"cookie", self.cookie.encode()) if self.cookie else (b"authorization", f"Bearer {self.secret}".encode()),
            (b"content-type", f"multipart/form-data; boundary={BOUNDARY}".encode()),
        ]
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}

        async def receive() -> dict[str, Any]:
            if hang_up_after is not None and self.read >= hang_up_after:
                return {"type": "http.disconnect"}
            piece = body[self.read : self.read + self.chunk]
            self.read += len(piece)
            return {"type": "http.request", "body": piece, "more_body": self.read < len(body)}

        async def send(_message: Any) -> None:
            pass

        application = ReceivingMiddleware(self._application, {Body.FILE: IncomingForm})
        await BodyLimitMiddleware(application)(scope, receive, send)

    async def _application(self, scope: Any, receive: Any, _send: Any) -> None:
        self.outcome = scope.get(SCOPE_KEY)
        while self.outcome is None and scope["path"].startswith("/accounts"):
            message = await receive()
            if message["type"] == "http.disconnect" or not message["more_body"]:
                return
        if isinstance(self.outcome, Upload):
            self.content = self.outcome.path.read_bytes()


def left_behind() -> list[Path]:
    return list(settings.INCOMING_DIR.glob("upload-*"))


@pytest.fixture(autouse=True)
def empty_incoming() -> None:
    for path in left_behind():
        path.unlink()


@pytest.mark.parametrize("chunk", [1, 7, 65_536])
async def test_file_and_fields_arrive_whole_whatever_the_chunks(alice: Character, chunk: int) -> None:
    client = Client(alice.secret, chunk)
    await client.post(form(b"\r\n--xy sound \x00", name="会议 %22a%22.wav", language="zh", model="base"))
    assert isinstance(client.outcome, Upload)
    assert client.content == b"\r\n--xy sound \x00"
    assert client.outcome.file_name == '会议 "a".wav'
    assert (client.outcome.field("language"), client.outcome.size) == ("zh", len(client.content))


async def test_what_no_view_took_is_deleted(alice: Character) -> None:
    await Client(alice.secret).post(form())
    assert left_behind() == []


async def test_a_body_over_the_limit_is_refused_while_it_streams(alice: Character) -> None:
    await Quota.objects.filter(tenant=alice.tenant).aupdate(upload_bytes=100_000)
    client = Client(alice.secret)
    await client.post(form(bytes(50_000_000)))
    assert isinstance(client.outcome, UploadRefused)
    assert (client.outcome.code, client.outcome.limit) == ("too_large", 100_000)
    assert client.read < 6_000_000, "the rest of the body was not read"
    assert left_behind() == []


async def test_a_length_over_the_limit_is_refused_before_a_byte_is_kept(alice: Character) -> None:
    await Quota.objects.filter(tenant=alice.tenant).aupdate(upload_bytes=1000)
    client = Client(alice.secret)
    await client.post(form(b"short"), length=10**9)
    assert isinstance(client.outcome, UploadRefused)
    assert client.outcome.code == "too_large"


async def test_a_client_that_hangs_up_leaves_nothing(alice: Character) -> None:
    client = Client(alice.secret, chunk=1000)
    await client.post(form(bytes(50_000)), hang_up_after=20_000)
    assert client.outcome is None
    assert left_behind() == []


async def test_a_wrong_key_gets_nothing_stored(alice: Character) -> None:
    client = Client("wp_00000000_wrong")
    await client.post(form(bytes(50_000)))
    assert client.outcome is None
    assert left_behind() == []


async def test_bytes_after_the_end_count_too(alice: Character) -> None:
    await Quota.objects.filter(tenant=alice.tenant).aupdate(upload_bytes=1000)
    client = Client(alice.secret)
    await client.post(form() + bytes(50_000_000))
    assert isinstance(client.outcome, UploadRefused)
    assert client.outcome.code == "too_large"
    assert client.read < 6_000_000


async def test_a_strange_cookie_of_another_application_is_no_obstacle(alice: Character) -> None:
    session = await signed_in(alice)
    client = Client("", cookie=f'prefs={{"theme":"dark"}}; sessionid={session}')
    await client.post(form(), path="/recordings/")
    assert isinstance(client.outcome, Upload)


async def test_a_large_body_on_any_other_path_is_not_read() -> None:
    client = Client("")
    await client.post(bytes(50_000_000), path="/accounts/login/")
    assert client.read < 7_000_000


@sync_to_async
def signed_in(character: Character) -> str:
    session = SessionStore()
    session["_auth_user_id"] = str(character.user.pk)
    session["_auth_user_backend"] = settings.AUTHENTICATION_BACKENDS[0]
    session["_auth_user_hash"] = character.user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed"),
        (b"no multipart at all", "malformed"),
        (form()[:-20], "malformed"),
        (form().replace(b"--xyz--", b"") + form(), "malformed"),
        (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--{BOUNDARY}--\r\n'.encode(),
            "no_file",
        ),
    ],
)
async def test_a_body_that_is_no_upload_is_named(alice: Character, body: bytes, code: str) -> None:
    client = Client(alice.secret)
    await client.post(body)
    assert isinstance(client.outcome, UploadRefused)
    assert client.outcome.code == code
    assert left_behind() == []

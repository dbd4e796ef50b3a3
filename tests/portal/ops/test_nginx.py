"""docker/nginx.conf in a real nginx, in front of the product."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests import nginx
from tests.stack import ROOT, Stack, free_port

pytestmark = [pytest.mark.product, pytest.mark.skipif(not nginx.NGINX, reason="no nginx is installed")]


@dataclass(frozen=True)
class Front:
    """A running nginx."""

    https: httpx.Client
    context: ssl.SSLContext
    plain_url: str
    folder: Path


@pytest.fixture(scope="module")
def front(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """nginx with the shipped file, but for its ports, folders and the name of the web process."""
    folder = tmp_path_factory.mktemp("nginx")
    plain, secure = free_port(), free_port()
    webs = [stack.url.removeprefix("http://")]
    process = subprocess.Popen(nginx.command(folder, "127.0.0.1", plain, secure, webs, "https://localhost"))
    context = ssl.create_default_context(cafile=str(nginx.certificate(folder)))
    try:
        with httpx.Client(base_url=f"https://localhost:{secure}", verify=context, timeout=30) as client:
            _wait_for(client, process)
            yield Front(client, context, f"http://127.0.0.1:{plain}", folder)
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        assert process.poll() is None
        try:
            client.get("/health")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("nginx doesn't answer")


def test_pages_and_their_cookies_go_over_https_only(front: Front) -> None:
    moved = httpx.get(f"{front.plain_url}/recordings/?q=x")
    assert (moved.status_code, moved.headers["location"]) == (308, "https://127.0.0.1/recordings/?q=x")
    page = front.https.get("/accounts/login/")
    assert page.status_code == 200
    assert page.headers["strict-transport-security"] == "max-age=31536000"


def test_also_what_nginx_itself_answers_says_so(front: Front) -> None:
    refused = front.https.get("/metrics")
    assert (refused.status_code, refused.headers["strict-transport-security"]) == (404, "max-age=31536000")


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
def test_what_is_for_other_containers_is_not_for_strangers(front: Front, path: str) -> None:
    assert front.https.get(path).status_code == 404


def test_a_clip_is_transcribed_through_it(front: Front, stack: Stack) -> None:
    sample = (ROOT / "docs" / "samples" / "quick_brown_fox.wav").read_bytes()
    form = {"model": "whisper-1", "response_format": "text"}
    answer = front.https.post(
        "/v1/audio/transcriptions", data=form, files={"file": ("fox.wav", sample)}, headers=stack.bearer
    )
    assert "quick brown fox" in answer.text.lower()


def test_the_log_has_the_request_and_neither_its_query_nor_the_key_of_a_link(front: Front) -> None:
    front.https.get("/accounts/password/reset/key/abc-secretkey/?q=what+was+said")
    answer = front.https.get("/health?q=what+was+said")
    lines = (front.folder / "access.log").read_text()
    assert answer.headers["x-request-id"] in lines
    assert "what" not in lines
    assert "secretkey" not in lines


def test_the_error_log_has_no_address_that_is_a_secret(front: Front) -> None:
    """A body that is too large is an error of nginx's own, and logged with its request."""
    address = (front.https.base_url.host, front.https.base_url.port)
    for path in ("/api/v1/recordings", "/s/secretlink/", "/accounts/invitations/a-secretkey/"):
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {7 * 1024**3}\r\n\r\n"
        with (
            socket.create_connection(address) as plain,
            front.context.wrap_socket(plain, server_hostname="localhost") as sent,
        ):
            sent.sendall(head.encode())
            assert b" 413 " in sent.recv(64)
    lines = (front.folder / "error.log").read_text()
    assert "POST /api/v1/recordings" in lines
    assert "secretlink" not in lines
    assert "secretkey" not in lines

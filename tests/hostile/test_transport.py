"""Big, slow and half-open requests against a started product without a proxy in front, all on loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from tests.hostile.conftest import USUAL_FILES, Product, files_allowed
from tests.webprocess import WebProcess, serving

HALF_OPEN = 1150
END_SECONDS = 60
SOCKET = "GET /ws/recordings/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"


def connect(url: str, text: str = "") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=END_SECONDS)
    connection.sendall(text.encode())
    return connection


def answer(connection: socket.socket) -> str:
    """What comes until the product ends the connection. Raises TimeoutError where it does not."""
    heard = b""
    try:
        while piece := connection.recv(65536):
            heard += piece
    except ConnectionResetError:
        pass
    return heard.decode(errors="replace")


def drip(connection: socket.socket, text: str) -> str:
    """Sends a byte every fifth of a second until the product has had enough; what it said."""
    heard = b""
    connection.settimeout(0.2)
    for position in range(END_SECONDS * 5):
        try:
            connection.sendall(text[position % len(text)].encode())
            if not (piece := connection.recv(65536)):
                return heard.decode()
            heard += piece
        except TimeoutError:
            continue
        except OSError:
            return heard.decode()
    raise TimeoutError("The product goes on listening.")


@pytest.mark.parametrize("begin", ["GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n", SOCKET])
def test_heads_have_64_kib_at_most(product: Product, begin: str) -> None:
    many = "".join(f"X-{number}: {'x' * 1000}\r\n" for number in range(80))
    for headers in (f"X-Long: {'x' * 70_000}\r\n", f"X-Long: {'x' * 2_000_000}\r\n", many):
        with closing(connect(product.stack.url, f"{begin}{headers}\r\n")) as connection:
            assert answer(connection).startswith("HTTP/1.1 431 ")


@pytest.mark.parametrize("begin", ["", "GET /health HTT", "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n", SOCKET])
def test_a_head_that_does_not_come_ends(product: Product, begin: str) -> None:
    with closing(connect(product.stack.url, begin)) as connection:
        assert answer(connection).startswith("HTTP/1.1 408 " if begin else "")


@pytest.mark.parametrize("begin", ["GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n", SOCKET])
def test_a_head_that_drips_ends(product: Product, begin: str) -> None:
    with closing(connect(product.stack.url, f"{begin}X-Slow: ")) as connection:
        assert drip(connection, "x").startswith("HTTP/1.1 408 ")


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/api/v1/recordings", "/accounts/login/", "/nowhere"])
def test_a_body_that_drips_ends(product: Product, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
    head += f"Authorization: Bearer {product.people['alice'].api_key}\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    with closing(connect(product.stack.url, head)) as connection:
        drip(connection, "--b\r\n")


def test_a_resumable_upload_keeps_what_came_before_its_line_fell_silent(product: Product) -> None:
    tus = product.people["alice"].bearer | {"Tus-Resumable": "1.0.0"}
    begun = httpx.post(f"{product.stack.url}/api/v1/uploads", headers=tus | {"Upload-Length": "100000"})
    place = begun.headers["location"]
    head = f"PATCH {place} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {product.people['alice'].api_key}\r\n"
    head += "Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n"
    with closing(connect(product.stack.url, f"{head}Content-Length: 100000\r\n\r\n{'x' * 777}")) as connection:
        assert answer(connection).startswith("HTTP/1.1 408 ")
    for _try in range(20):  # the request is ended, not answered: it may hold the file for a moment
        found = httpx.head(f"{product.stack.url}{place}", headers=tus)
        if found.headers["upload-offset"] == "777":
            break
        time.sleep(0.1)
    assert found.headers["upload-offset"] == "777"


def is_open(connection: socket.socket) -> bool:
    """Whether the product has neither answered nor ended the connection."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except ConnectionResetError:
        pass
    return False


@pytest.fixture
def patient_web(product: Product, tmp_path: Path) -> Iterator[WebProcess]:
    """Another web process of the product, which ends no connection while the test runs."""
    data = product.stack.data
    environment = {"PORTAL_DATA": str(data), "REQUEST_HEAD_SECONDS": "3600"}
    environment["DJANGO_SETTINGS_MODULE"] = "tests.scripted.settings"
    with files_allowed(USUAL_FILES), serving(data / "portal.sqlite3", tmp_path / "web.log", **environment) as web:
        yield web


def test_1150_half_open_connections_keep_nobody_out(product: Product, patient_web: WebProcess) -> None:
    url, bearer = patient_web.url, product.people["alice"].bearer
    with files_allowed(HALF_OPEN + USUAL_FILES), ExitStack() as held:
        half_open = [held.enter_context(closing(connect(url, "GET / HTTP/1.1\r\n"))) for _ in range(HALF_OPEN)]
        for _time in range(5):
            assert httpx.get(f"{url}/health", timeout=END_SECONDS).json()["status"] == "ok"
        assert httpx.get(f"{url}/api/v1/recordings", headers=bearer, timeout=END_SECONDS).status_code == 200
        assert all(is_open(connection) for connection in half_open)
    assert "Too many open files" not in patient_web.log.read_text()

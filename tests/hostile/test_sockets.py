"""Frames, origins and addresses that no page of ours sends, at the started product's sockets."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.hostile.conftest import Product

SOCKET = "/ws/recordings/"
PATIENCE_SECONDS = 60


def address(product: Product, path: str = SOCKET) -> str:
    return product.stack.url.replace("http", "ws", 1) + path


def opened(product: Product, origin: str | None, path: str = SOCKET) -> connect:
    """As a page of `origin` opens it in Alice's browser."""
    cookie = f"sessionid={product.browser('alice').cookies['sessionid']}"
    return connect(address(product, path), origin=origin, additional_headers={"Cookie": cookie})  # type: ignore[arg-type]


async def closing_code(socket: ClientConnection, *frames: str | bytes) -> int | None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        with suppress(ConnectionClosed):
            for frame in frames:
                await socket.send(frame)
        await socket.wait_closed()
    return socket.close_code


FRAMES = [(b"\x00\xff", 1003), ("", 1007), ("{", 1007), ("[" * 4000, 1007), ("[" * 100_000, 1009)]


@pytest.mark.parametrize(("frame", "code"), FRAMES)
async def test_a_page_that_sends_nonsense_is_told_by_a_code(product: Product, frame: str | bytes, code: int) -> None:
    async with opened(product, product.stack.url) as socket:
        assert await closing_code(socket, frame, frame, frame) == code
    assert "Traceback" not in product.log


@pytest.mark.parametrize(("frame", "code"), FRAMES)
async def test_a_program_that_sends_nonsense_is_told_by_a_code(product: Product, frame: str | bytes, code: int) -> None:
    with closing(product.browser()) as client:
        ticket = client.post("/api/v1/socket-tickets", headers=product.people["alice"].bearer).json()["ticket"]
    async with connect(f"{address(product)}?ticket={ticket}") as socket:
        assert await closing_code(socket, frame) == code
    assert "Traceback" not in product.log


async def test_a_page_of_another_port_opens_nothing(product: Product) -> None:
    port = product.stack.url.rpartition(":")[2]
    others = (f"http://127.0.0.1:{int(port) + 1}", "http://127.0.0.1", f"https://127.0.0.1:{port}", "null", None)
    for origin in (*others, "http://evil.example", f"http://evil.example:{port}"):
        with pytest.raises(InvalidStatus) as refused:
            await opened(product, origin)
        assert refused.value.response.status_code == 403, origin


async def test_an_address_without_a_socket_is_no_failure(product: Product) -> None:
    for path in ("/ws/", "/", "/ws/transcriptions/1/", "/ws/%00", "/v1/audio/transcriptions"):
        with pytest.raises(InvalidStatus) as refused:
            await opened(product, product.stack.url, path)
        assert refused.value.response.status_code == 403
    assert "Traceback" not in product.log

"""The web process's connections, with an application that answers how much came, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from django.conf import LazySettings

from portal.http import connection_limits

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "


async def count(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the number of the body's bytes; at /slow, later."""
    if scope["path"] == "/slow":
        await asyncio.sleep(0.8)
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answers(self) -> str:
        """All that comes until the connection ends; empty where it ends without a word."""
        try:
            async with asyncio.timeout(10):
                return (await self.reader.read()).decode()
        except ConnectionResetError:
            return ""

    async def answer(self) -> str:
        """One answer's status line."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            await self.reader.readexactly(int(head.split("content-length: ")[1].split()[0]))
            return head.splitlines()[0].removeprefix("http/1.1 ")


@dataclass
class Server:
    port: int

    async def connect(self) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))

    async def is_well(self) -> bool:
        client = await self.connect()
        client.send(HEAD + b"Connection: close\r\n\r\n")
        return "HTTP/1.1 200" in await client.answers()


@pytest_asyncio.fixture
async def server(settings: LazySettings) -> AsyncIterator[Server]:
    settings.REQUEST_HEAD_SECONDS = settings.REQUEST_BODY_SECONDS = 0.3
    config = uvicorn.Config(
        count,
        port=0,
        http=connection_limits.BoundedHttpProtocol,
        lifespan="off",
        log_level="error",
        timeout_keep_alive=30,
    )
    running = uvicorn.Server(config)
    task = asyncio.create_task(running._serve())
    while not running.started:
        await asyncio.sleep(0.01)
    yield Server(running.servers[0].sockets[0].getsockname()[1])
    running.should_exit = True
    await task


@pytest.mark.parametrize("value", [b"x" * 65_536, b"x" * 10_000_000])
async def test_a_head_over_64_kib_is_refused(server: Server, value: bytes) -> None:
    client = await server.connect()
    client.send(HEAD + b"X-Long: " + value + b"\r\n\r\n")
    assert (await client.answers()).startswith("HTTP/1.1 431 ")
    assert await server.is_well()


async def test_many_headers_and_a_long_address_count_together(server: Server) -> None:
    client = await server.connect()
    client.send(b"GET /" + b"a" * 30_000 + b" HTTP/1.1\r\nHost: a\r\n")
    client.send(b"".join(b"X-%d: %s\r\n" % (number, b"y" * 100) for number in range(400)) + b"\r\n")
    assert (await client.answers()).startswith("HTTP/1.1 431 ")


async def test_headers_after_a_body_have_no_end_either(server: Server) -> None:
    client = await server.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Long: ")
    await asyncio.sleep(0.05)
    client.send(b"x" * 400_000)
    assert (await client.answers()).startswith("HTTP/1.1 431 ")


async def test_60_kib_are_taken(server: Server) -> None:
    client = await server.connect()
    client.send(HEAD + b"X-Long: " + b"x" * 60_000 + b"\r\n\r\n")
    assert await client.answer() == "200 ok"


async def drip(client: Client, data: bytes) -> str:
    """Sends a byte at a time, until the connection ends; what was answered."""
    answers = asyncio.create_task(client.answers())
    for position in range(len(data)):
        if answers.done():
            break
        client.send(data[position : position + 1])
        await asyncio.sleep(0.02)
    return await answers


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD, b"\r\n\r\n"])
async def test_a_head_that_does_not_come_ends_its_connection(server: Server, sent: bytes) -> None:
    client = await server.connect()
    client.send(sent)
    answers = await client.answers()
    assert answers.startswith("HTTP/1.1 408 ") if b"G" in sent else answers == ""


async def test_a_head_that_drips_ends_its_connection(server: Server) -> None:
    client = await server.connect()
    assert (await drip(client, HEAD + b"X-Slow: " + b"x" * 1000)).startswith("HTTP/1.1 408 ")


async def test_so_does_the_next_one_on_a_kept_connection(server: Server) -> None:
    client = await server.connect()
    client.send(HEAD + b"\r\n")
    assert await client.answer() == "200 ok"
    client.send(HEAD)
    assert (await client.answers()).startswith("HTTP/1.1 408 ")


@pytest.mark.parametrize("first", [b"", b"x" * 100])
async def test_a_body_that_stops_or_drips_ends_its_connection(server: Server, first: bytes) -> None:
    client = await server.connect()
    client.send(POST + b"1000000\r\n\r\n" + first)
    assert (await drip(client, b"x" * 200)).startswith("HTTP/1.1 408 ")


async def test_a_slow_line_that_lives_is_let_finish(
    server: Server, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_limits, "MIN_BODY_BYTES", 100)
    client = await server.connect()
    client.send(POST + b"10000\r\n\r\n")
    for _ in range(20):
        await asyncio.sleep(0.06)
        client.send(b"x" * 500)
    assert await client.answer() == "200 ok"


async def test_whoever_waits_for_our_continue_is_not_slow(server: Server) -> None:
    client = await server.connect()
    client.send(POST + b"3\r\nExpect: 100-continue\r\n\r\n")
    assert (await client.reader.readline()).startswith(b"HTTP/1.1 100")
    await client.reader.readline()
    client.send(b"abc")
    assert await client.answer() == "200 ok"


async def test_an_answer_is_not_cut_off_for_the_next_request_s_head(server: Server, settings: LazySettings) -> None:
    client = await server.connect()
    client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.sleep(0.05)
    client.send(HEAD)
    settings.WEB_CONNECTIONS = 1
    refused = await (await server.connect()).answers()
    assert refused.startswith("HTTP/1.1 503 ")
    assert await client.answer() == "200 ok"
    assert (await client.answers()).startswith("HTTP/1.1 408 ")


async def test_over_the_number_of_connections_the_longest_idle_one_ends(server: Server, settings: LazySettings) -> None:
    settings.WEB_CONNECTIONS, settings.REQUEST_HEAD_SECONDS = 3, 30
    idle = [await server.connect() for _ in range(3)]
    for client in idle:
        client.send(HEAD)
    assert await server.is_well()
    assert (await idle[0].answers()).startswith("HTTP/1.1 503 ")
    for client in idle[1:]:
        client.send(b"\r\n")
        assert await client.answer() == "200 ok"


async def test_where_all_are_busy_a_new_one_is_told_to_come_back(server: Server, settings: LazySettings) -> None:
    settings.WEB_CONNECTIONS, settings.REQUEST_BODY_SECONDS = 2, 30
    busy = [await server.connect() for _ in range(2)]
    for client in busy:
        client.send(POST + b"3\r\n\r\n")
    await asyncio.sleep(0.05)
    refused = await (await server.connect()).answers()
    assert refused.startswith("HTTP/1.1 503 ")
    assert "retry-after" in refused
    for client in busy:
        client.send(b"abc")
        assert await client.answer() == "200 ok"

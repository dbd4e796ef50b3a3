"""Many WebSockets of pages, in a process of their own; started by benchmarks.sockets.

A client of asyncio's protocols, as small as can be: it opens sockets, answers pings, and notes when events come. Each
line of standard input is the port, the source address and the cookie of one. Once all are open it prints what that
took, and, when standard input ends, a line for each event that came: when it was sent, and after how long it came.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time

AT_ONCE = 50
PING, PONG, CLOSE, TEXT = 0x9, 0xA, 0x8, 0x1
MASK = bytes(4)


class Socket(asyncio.Protocol):
    """One page's socket. `events` is everybody's."""

    def __init__(self, head: bytes, events: list[tuple[float, float]], closed: list[str]) -> None:
        self._head, self._events, self._closed = head, events, closed
        self._data = b""
        self._is_open = False
        self.ready = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._is_open:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head[:20]:
                self._fail(head[:100].decode())
                return
            self._is_open, self._data = True, rest
        while (frame := self._frame()) is not None:
            self._take(*frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"lost {exc or ''}")

    def _frame(self) -> tuple[int, bytes] | None:
        """Takes a whole frame: of a server they are not masked, and ours are shorter than 64 KiB."""
        if len(self._data) < 4 and not (len(self._data) >= 2 and self._data[1] < 2):
            return None
        size, begin = self._data[1], 2
        if size == 126:
            size, begin = int.from_bytes(self._data[2:4], "big"), 4
        if len(self._data) < begin + size:
            return None
        operation, payload = self._data[0] & 0xF, self._data[begin : begin + size]
        self._data = self._data[begin + size :]
        return operation, payload

    def _take(self, operation: int, payload: bytes) -> None:
        now = time.monotonic()
        if operation == PING:
            self._transport.write(bytes([0x80 | PONG, 0x80 | len(payload)]) + MASK + payload)
        elif operation == CLOSE:
            self._fail(f"closed {int.from_bytes(payload[:2], 'big')}")
        elif operation == TEXT:
            message = json.loads(payload)
            if message["type"] == "ready" and not self.ready.done():
                self.ready.set_result(None)
            elif message["type"] == "progress":
                self._events.append((message["percent"], now - message["percent"]))

    def _fail(self, why: str) -> None:
        self._closed.append(why)
        if not self.ready.done():
            self.ready.set_result(None)


def head_of(port: str, cookie: str) -> bytes:
    lines = [
        "GET /ws/recordings/ HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Origin: http://127.0.0.1:{port}",
        f"Cookie: {cookie}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def open_all(wanted: list[str], events: list[tuple[float, float]], closed: list[str]) -> None:
    loop, room = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)

    async def open_one(line: str) -> None:
        port, source, cookie = line.split(" ", 2)
        async with room:
            try:
                _transport, socket = await loop.create_connection(
                    lambda: Socket(head_of(port, cookie), events, closed),
                    "127.0.0.1",
                    int(port),
                    local_addr=(source, 0),
                )
                await asyncio.wait_for(socket.ready, 120)
            except (OSError, TimeoutError) as error:
                closed.append(repr(error))

    await asyncio.gather(*map(open_one, wanted))


async def main() -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    reader = os.fdopen(os.dup(0), "r")
    wanted = [line.rstrip("\n") for line in iter(reader.readline, "\n")]
    events: list[tuple[float, float]] = []
    closed: list[str] = []
    begin = time.monotonic()
    await open_all(wanted, events, closed)
    print(json.dumps({"seconds": time.monotonic() - begin, "closed": closed}), flush=True)
    while await asyncio.to_thread(reader.readline):
        print(json.dumps({"events": events, "closed": closed}), flush=True)
        events.clear()


if __name__ == "__main__":
    asyncio.run(main())
    sys.exit(0)

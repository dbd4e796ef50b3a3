"""Limits the web process's connections: what a client may send, how slowly, and how many there are at once.

With httptools uvicorn has options for none of it, so its protocol is extended here:
`uvicorn --http portal.http.connection_limits:BoundedHttpProtocol`. A proxy in front may be stricter;
the portal relies on none.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger(__name__)
HEAD_BYTES = 64 * 1024
MIN_BODY_BYTES = 15_000
"""That a body must bring in each REQUEST_BODY_SECONDS: at 60 s a quarter of the slowest modem's rate."""
MAX_FILES = 65_536
LINGER_SECONDS, LINGER_BYTES, MAX_LINGERING = 2.0, 16 * 1024 * 1024, 64
"""For how long, for how many bytes and on how many surplus connections a refused client's body is still read."""
RESERVED_FILES = 256
"""Files that a process opens besides connections: databases, uploads, pipes of programs."""


class HeadTooLarge(Exception):
    pass


def raise_file_limit() -> int:
    """Lets this process open as many files as the system allows, up to MAX_FILES. Returns how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


FILES = raise_file_limit()
_idle: dict[BoundedHttpProtocol, None] = {}
"""Connections on which no request is being answered, the longest waiting first."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits: of heads in bytes and seconds, of bodies by rate, of connections by number.

    Ends a connection whose head is not complete in REQUEST_HEAD_SECONDS, with 408 where a part of it has come, and one
    whose body brings neither MIN_BODY_BYTES nor its end in REQUEST_BODY_SECONDS. Time in which nothing is read from it
    does not count.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._clock: asyncio.TimerHandle | None = None
        self._unparsed = self._body_bytes = 0
        self._is_in_head = self._is_in_body = self._is_head_too_large = self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > max_connections():
            self._evict_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        _idle.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unparsed += len(data)
        if self._is_refused:
            if self._unparsed > LINGER_BYTES:
                self.transport.close()
            return
        if self._clock is None:
            self._await_head()
        super().data_received(data)
        if self._unparsed > HEAD_BYTES and not self._is_refused:
            self._refuse(431)

    def handle_websocket_upgrade(self) -> None:
        self._unparsed = 0
        self._stop_clock()
        _idle.pop(self, None)
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        if self._is_head_too_large:
            self._refuse(431)
        else:
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        self._is_in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Ignores the trailers of a chunked body."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Raises HeadTooLarge."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEAD_BYTES:
            self._is_head_too_large = True
            raise HeadTooLarge
        self._unparsed, self._is_in_head, self._is_in_body = 0, False, True
        _idle.pop(self, None)
        self._await_body()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed, self._is_in_body = 0, False
        self._stop_clock()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_in_body and not self.pipeline and not self.transport.is_closing():
            _idle[self] = None

    def _await_head(self) -> None:
        if self._is_answered:
            _idle[self] = None
        self._start_clock(settings.REQUEST_HEAD_SECONDS, self._end_slow_head)

    def _await_body(self) -> None:
        self._body_bytes = 0
        self._start_clock(settings.REQUEST_BODY_SECONDS, self._end_slow_body)

    def _end_slow_head(self) -> None:
        if not self._is_answered:  # the head is the next request's; the answer under way is not cut off for it
            self._await_head()
        elif self._is_in_head:
            self._refuse(408)
        else:
            self.transport.close()

    def _end_slow_body(self) -> None:
        is_reading_paused = self.flow.read_paused or self.cycle.waiting_for_100_continue
        if is_reading_paused or self._body_bytes >= MIN_BODY_BYTES:
            self._await_body()
        else:
            self._refuse(408)

    def _start_clock(self, seconds: float, end: Callable[[], None]) -> None:
        self._stop_clock()
        self._clock = self.loop.call_later(seconds, end)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _evict_idle(self) -> None:
        """Ends the connection that has waited longest without a request; where all are busy, this new one."""
        longest = next(iter(_idle))
        longest._refuse(503)
        if len(self.connections) > max_connections() + MAX_LINGERING:
            longest.transport.close()

    @property
    def _is_answered(self) -> bool:
        """Whether every request of this connection has its whole answer."""
        return self.cycle is None or bool(self.cycle.response_complete)

    @property
    def _can_answer(self) -> bool:
        """Whether the client can tell which request an answer of this protocol itself belongs to."""
        if self._is_in_body:
            return not self.cycle.response_started and not self.pipeline
        return self._is_answered

    def _refuse(self, status: int) -> None:
        """Answers, where the client can tell what the answer belongs to, and ends the connection.

        Reads on for a moment what the client is still sending: if it were closed at once, the client's system would
        drop the answer.
        """
        _idle.pop(self, None)
        self._is_refused, self._unparsed = True, 0
        can_answer = self._can_answer
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not can_answer or self.transport.is_closing():
            self._stop_clock()
            self.transport.close()
            return
        self.transport.write(_answer(status))
        self.transport.write_eof()
        self.flow.resume_reading()
        self._start_clock(LINGER_SECONDS, self.transport.close)


def _answer(status: int) -> bytes:
    phrase = HTTPStatus(status).phrase
    retry = "retry-after: 2\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: text/plain\r\ncontent-length: {len(phrase)}\r\n"
    return f"{head}{retry}connection: close\r\n\r\n{phrase}".encode()


def max_connections() -> int:
    """Returns WEB_CONNECTIONS, or as many as there are files for."""
    return min(settings.WEB_CONNECTIONS, max(FILES - RESERVED_FILES, RESERVED_FILES))

"""The connection of one caller to the engine's server."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from transcription.engine import wire
from transcription.engine.backend import Language, Work
from transcription.engine.lane_queue import Request, Stream
from transcription.engine.languages import LANGUAGES, languages_of
from transcription.engine.remote_backend.backend import RemoteBackend
from transcription.engine.types import DecodeOptions, EngineError, Lane, WindowRejected, WindowResult

if TYPE_CHECKING:
    from transcription.engine.server import Server

log = logging.getLogger(__name__)

MAX_UNANSWERED = 512
"""Unanswered windows of one connection (490 MB), beyond which the server stops reading from it. Callers send fewer: see
`Server.room_for`."""

MAX_STREAMS = 1024
"""The most streams of one connection."""

ANNOUNCE_SECONDS = 2.0


class Connection:
    """The connection of one caller. An error here affects no other connection."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.loop = asyncio.get_running_loop()
        self.may_read = asyncio.Semaphore(MAX_UNANSWERED)
        self.unanswered = 0
        self.streams: dict[tuple[str, Lane], Stream] = {}

    async def run(self) -> None:
        self.server.connections.add(self)
        try:
            while True:
                await self._handle(*await self._receive())
                await self.writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except wire.ProtocolError as error:
            log.warning("hanging up on a caller: %s", error)
            self._write(wire.frame({"kind": "protocol", "reason": str(error)}))
        finally:
            self.server.connections.discard(self)
            self.server.queue.drop(self.streams.values())
            self.writer.close()

    async def _receive(self) -> tuple[wire.Header, bytes]:
        prefix = await self.reader.readexactly(wire.LENGTH.size)
        header = wire.parse_header(await self.reader.readexactly(wire.header_length(prefix)))
        return header, await self.reader.readexactly(header["bytes"])

    async def _handle(self, header: wire.Header, payload: bytes) -> None:
        match header["kind"]:
            case "status":
                self._write(wire.frame({"kind": "status", "status": asdict(self.server.status())}))
            case "load" | "unload" as kind:
                self._write(wire.frame({"kind": "order", "reason": self.server.order(kind, header.get("model"))}))
            case "window":
                await self.may_read.acquire()
                self.unanswered += 1
                self._take(header, payload)
            case kind:
                raise wire.ProtocolError(f"unknown kind {kind[:40]!r}")

    def _take(self, header: wire.Header, payload: bytes) -> None:
        number = header.get("id")
        if type(number) is not int:
            raise wire.ProtocolError("a window without an id")
        try:
            window, options = wire.parse_window(header, payload)
            self._check(options)
        except WindowRejected as error:
            self._answer(number, error)
            return
        stream = self._stream(header, options.lane)
        if stream.language is None and header.get("spoken") in LANGUAGES:
            stream.language = Language(header["spoken"], 1.0)
        self.server.queue.submit(
            Request(
                Work(window, options, options.language or _only_language(options.model), options.temperature),
                stream,
                # Called by a thread that decodes.
                lambda outcome: self.loop.call_soon_threadsafe(self._answer, number, outcome),
                suspect=header.get("suspect") is True,
                announce=lambda: self._announce(number),
            )
        )

    def _check(self, options: DecodeOptions) -> None:
        if options.model not in self.server.names:
            offered = ", ".join(self.server.names)
            raise WindowRejected(f"unknown model {options.model!r}; this engine has {offered}")
        running = self.server.running
        if running and options.model in running.models.missing:
            raise WindowRejected(f"{options.model} is not served: {running.models.missing[options.model]}")
        if running and options.beam_size > 1 and isinstance(running.backend, RemoteBackend):
            raise WindowRejected("a remote server searches with no beams: leave beam_size at 1")
        for code in (options.language, *options.languages):
            if code is not None and code not in LANGUAGES:
                raise WindowRejected(f"unknown language {code!r}")
        if options.language is not None and options.language not in languages_of(options.model):
            raise WindowRejected(f"the model {options.model} does not know the language {options.language!r}")

    def _stream(self, header: wire.Header, lane: Lane) -> Stream:
        name = header.get("stream")
        if not isinstance(name, str) or len(name) > wire.MAX_NAME_CHARACTERS:
            raise wire.ProtocolError("a window without a stream")
        if len(self.streams) >= MAX_STREAMS and (name, lane) not in self.streams:
            raise wire.ProtocolError(f"more than {MAX_STREAMS} streams")
        if (name, lane) not in self.streams:
            self.streams[name, lane] = stream = Stream(lane, wire.request_id_of(header))
            of_request = {"request_id": stream.request_id}
            log.info("%s: decoding a stream of windows in the %s lane", stream.request_id, lane, extra=of_request)
        return self.streams[name, lane]

    def _announce(self, number: int) -> None:
        """Sends a message from a decode thread, which waits up to ANNOUNCE_SECONDS until it is sent."""
        told = asyncio.run_coroutine_threadsafe(self._tell_alone(number), self.loop)
        with suppress(TimeoutError, ConnectionError):
            told.result(ANNOUNCE_SECONDS)

    async def _tell_alone(self, number: int) -> None:
        self._write(wire.frame({"kind": "alone", "id": number}))
        await self.writer.drain()

    def _answer(self, number: int, outcome: WindowResult | EngineError) -> None:
        self.may_read.release()
        self.unanswered -= 1
        if isinstance(outcome, WindowResult):
            self._write(wire.result_frame(number, outcome, self.server.room_for(self)))
            return
        kind = "rejected" if isinstance(outcome, WindowRejected) else "failed"
        self._write(wire.frame({"kind": kind, "id": number, "reason": str(outcome)}))

    def _write(self, message: bytes) -> None:
        if not self.writer.is_closing():
            self.writer.write(message)


def _only_language(model: str) -> str | None:
    """Returns the language of a model that knows one, which is not detected; None for any other."""
    known = languages_of(model)
    return known[0] if len(known) == 1 else None

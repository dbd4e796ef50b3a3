"""The engine's process: the main thread serves a Unix socket, other threads run the models."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psutil

from transcription.engine import machine, wire
from transcription.engine.backend import Backend, DeviceLost, Language, ServerAway, Work
from transcription.engine.catalogue import CATALOGUE
from transcription.engine.ct2_file import dimensions_of
from transcription.engine.gpu_check.choice import Footing
from transcription.engine.lane_queue import Request, Stream
from transcription.engine.languages import LANGUAGES, languages_of
from transcription.engine.model_folder import NEEDED
from transcription.engine.models import Models
from transcription.engine.remote_backend import RemoteBackend
from transcription.engine.remote_backend.transport import REQUEST_SECONDS, TRIES
from transcription.engine.request_queue import RequestQueue
from transcription.engine.scheduler import Scheduler
from transcription.engine.types import (
    DecodeOptions,
    EngineError,
    EngineStatus,
    Lane,
    WindowRejected,
    WindowResult,
)
from transcription.engine.version import version_of
from transcription.engine.watchdog import PROBES_PER_WINDOW, Watchdog

log = logging.getLogger(__name__)

MAX_UNANSWERED = 512
"""Unanswered windows of one connection (490 MB), beyond which the server stops reading from it. Callers send fewer: see
`Server.room_for`."""

LEAST_ROOM = 2
"""Windows that each caller may have unanswered, however many there are: the next one is there when one is done."""

MAX_STREAMS = 1024
"""The most streams of one connection."""

UNKNOWN_MELS = 80
"""Of a model that another server runs, which makes its own spectrogram."""

STOP_SECONDS = 10.0
ANNOUNCE_SECONDS = 2.0
BROKEN_EXIT = 70
LOADING_EXIT = 1


class Server:
    """Serves one backend on a Unix socket until it is told to stop.

    names: of the models it offers; the first is opened at once, the others when they are asked for.
    find_weights: where a model's are, once they are there. footing: the rung of a GPU's ladder that the backend is on.
    unload_seconds: after which a model that nobody used gives its memory back, 0 for never; the first one only if
    unloads_first.
    """

    def __init__(
        self,
        backend: Backend,
        names: Sequence[str],
        find_weights: Callable[[str], Path],
        address: Path,
        batch_size: int,
        memory_limit_mib: float = 0.0,
        footing: Footing | None = None,
        unload_seconds: float = 0.0,
        unloads_first: bool = False,
    ) -> None:
        self.backend = backend
        self.names = tuple(names)
        self.find_weights = find_weights
        self.address = address
        queue = RequestQueue()
        if isinstance(backend, RemoteBackend):
            queue.note_probe((TRIES + 1) * REQUEST_SECONDS / PROBES_PER_WINDOW)
            unload_seconds = 0.0  # it takes no memory
        self.models = Models(backend, queue, memory_limit_mib, unload_seconds, "" if unloads_first else names[0])
        self.footing = footing or Footing()
        self.scheduler = Scheduler(backend, self.models, queue, batch_size, self._die, self.footing.on_lost)
        self.watchdog = Watchdog(queue.overdue, self._die)
        self.mels: dict[str, int] = {}
        self.connections: set[_Connection] = set()
        self.ready = False
        self.error = ""
        self.began = time.monotonic()

    def run(self) -> int:
        """Serves until SIGTERM or SIGINT and returns the exit code. Raises EngineError if it cannot listen."""
        _refuse_second_engine(self.address)
        asyncio.run(self._serve())
        return 0

    def room_for(self, connection: _Connection) -> int:
        """Returns how many windows a caller may have unanswered.

        Together callers have what the scheduler has use for, so that one recording fills all slots where it is alone.
        Each may have an equal part, and what others leave.
        """
        capacity = self.scheduler.loop.capacity
        counts = [other.unanswered for other in self.connections]
        equal = capacity // max(1, sum(count > 0 for count in counts))
        return max(LEAST_ROOM, equal, connection.unanswered + capacity - sum(counts))

    def status(self) -> EngineStatus:
        """Returns the engine's status, also while a model is loading."""
        gpu = self.backend.gpu_memory_mib()
        queue = self.scheduler.queue
        return EngineStatus(
            ready=self.ready,
            backend=self.backend.name,
            device=self.backend.device,
            models=self.names,
            compute_type=self.backend.compute_type,
            pid=os.getpid(),
            memory_used_mib=psutil.Process().memory_info().rss / machine.MIB,
            gpu_memory_used_mib=gpu[0] if gpu else None,
            gpu_memory_total_mib=gpu[1] if gpu else None,
            queued_windows=queue.queued(),
            windows_under_way=queue.under_way,
            calls_in_hand=queue.calls_in_hand,
            calls_done=queue.calls_done,
            uptime_seconds=time.monotonic() - self.began,
            error=self.error or queue.problem or self.models.problem or self.footing.notice,
            rung=self.footing.rung.name if self.footing.rung else "",
            versions=queue.versions,
            mels=self.mels,
            loaded=self.models.loaded,
            slots=0 if self.backend.workers else self.models.slots,
            batch_capacity=self.scheduler.loop.batch_capacity,
            tally=queue.tally,
        )

    def order(self, kind: str, name: object) -> str:
        """Begins to load or to unload a model, and returns "", or why it doesn't."""
        if not self.ready or name not in self.models.weights:
            return self.models.missing.get(str(name)) or "the engine is not ready, or has no such model"
        if isinstance(self.backend, RemoteBackend):
            return "its models are in another server's memory"
        action = self.models.load if kind == "load" else self.models.unload
        threading.Thread(target=action, args=(name,), name=kind, daemon=True).start()
        return ""

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        listener = await self._listen()
        threading.Thread(target=self._load, name="load", daemon=True).start()
        await stop.wait()
        log.info("stopping: finishing the batch in hand")
        listener.close()
        self.address.unlink(missing_ok=True)
        await asyncio.to_thread(self.scheduler.stop, STOP_SECONDS)
        # The last answers were scheduled on this loop before the threads ended: let them out.
        await asyncio.sleep(0.1)
        log.info("stopped")
        logging.shutdown()
        # A batch that outlasts the patience sits in C code: no thread could end it.
        os._exit(0)

    async def _listen(self) -> asyncio.Server:
        """Binds the socket with mode 0600. Raises EngineError if it cannot."""
        before = os.umask(0o177)
        try:
            return await asyncio.start_unix_server(self._accept, path=str(self.address))
        except OSError as error:
            reason = error.strerror or error
            raise EngineError(f"no socket at {self.address}: {reason}; name another place") from error
        finally:
            os.umask(before)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Connection(self, reader, writer).run()

    def _load(self) -> None:
        """Fetches all weights, opens the first model and starts the scheduler."""
        began, first = time.monotonic(), self.names[0]
        try:
            for name in self.names:
                self._find(name, needed=name == first)
            with self.models.using(first):
                pass
            versions = {name: version_of(name, path, self.backend) for name, path in self.models.weights.items()}
        except (EngineError, DeviceLost, ServerAway, OSError) as error:
            if isinstance(error, DeviceLost):
                self.footing.on_lost(str(error))
            self._die(f"cannot load {first}: {error}", LOADING_EXIT)
        except Exception as error:
            log.exception("loading failed")
            self._die(f"cannot load {first}: {error!r}", LOADING_EXIT)
        self.scheduler.start(versions)
        self.watchdog.start()
        self.ready = True
        log.info(
            "ready: %s on %s (%s, %s) after %.1f s",
            ", ".join(self.names),
            self.backend.device,
            self.backend.name,
            self.backend.compute_type,
            time.monotonic() - began,
        )

    def _find(self, name: str, needed: bool) -> None:
        """Finds a model's weights. Only the first model's are required; callers of others are refused."""
        try:
            self.models.weights[name] = place = self.find_weights(name)
            if name not in CATALOGUE:
                dimensions = dimensions_of(place / NEEDED[0]) if place.is_dir() else None
                self.mels[name] = dimensions.n_mels if dimensions else UNKNOWN_MELS
        except EngineError as error:
            if needed:
                raise
            log.error("%s will not be served: %s", name, error)
            self.models.missing[name] = self.error = str(error)

    def _die(self, reason: str, code: int = BROKEN_EXIT) -> None:
        """Ends the process at once with an error code. Its supervisor starts another one."""
        self.error = reason
        log.critical("%s", reason)
        logging.shutdown()
        os._exit(code)


class _Connection:
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
            self.server.scheduler.queue.drop(self.streams.values())
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
        self.server.scheduler.queue.submit(
            Request(
                Work(window, options, options.language or _only_language(options.model), options.temperature),
                stream,
                lambda outcome: self._answer_later(number, outcome),
                suspect=header.get("suspect") is True,
                announce=lambda: self._announce(number),
            )
        )

    def _check(self, options: DecodeOptions) -> None:
        if options.model not in self.server.names:
            offered = ", ".join(self.server.names)
            raise WindowRejected(f"unknown model {options.model!r}; this engine has {offered}")
        if options.model in self.server.models.missing:
            raise WindowRejected(f"{options.model} is not served: {self.server.models.missing[options.model]}")
        if options.beam_size > 1 and isinstance(self.server.backend, RemoteBackend):
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

    def _answer_later(self, number: int, outcome: WindowResult | EngineError) -> None:
        """Hands an outcome from a decode thread to the event loop."""
        self.loop.call_soon_threadsafe(self._answer, number, outcome)

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


def _refuse_second_engine(address: Path) -> None:
    """Raises EngineError if another engine answers at this address."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(address))
        except OSError:
            return
    raise EngineError(f"another engine already listens at {address}")

"""The callers' side of the engine's socket: plain, synchronous, and light to import."""

from __future__ import annotations

import select
import socket
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from transcription.engine import wire
from transcription.engine.types import (
    DecodeOptions,
    EngineStatus,
    EngineUnavailable,
    Window,
    WindowFailed,
    WindowRejected,
    WindowResult,
)

MOST_LOSSES = 5
"""How often a window may be lost with engines that other windows end. A window that ends engines is known after two."""

SILENCE_SECONDS = 5.0
"""After so long without an answer the client asks for the engine's status."""

RETRY_SECONDS = 0.1

FIRST_WINDOWS = 8
"""Windows that are sent before the engine said how many it has room for."""


class EngineClient:
    """Talks to the engine that listens at `address`, the path of a Unix socket.

    `patience` is how many seconds to wait for an engine that is away (restarting,
    most likely) before giving up with EngineUnavailable. `request_id` stands in the engine's log lines about the
    windows that this client sends. Safe to share between threads.
    """

    def __init__(self, address: str, patience: float = 60.0, request_id: str = "") -> None:
        self.address = address
        self.patience = patience
        self.request_id = request_id

    def decode(
        self,
        windows: Iterable[Window],
        options: DecodeOptions,
        one_by_one: bool = False,
        on_progress: Callable[[], None] = lambda: None,
        spoken: str = "",
    ) -> Generator[WindowResult, None, None]:
        """Yields the text of each window, in the windows' order.

        As many wait for an answer as the engine has room for beside others', which it says with each answer; with
        `one_by_one`, a window is pulled when the result of the one before was taken. Closing the generator takes the
        unanswered ones back from the engine. `on_progress` is called every few seconds of waiting in
        which the engine starts or is at work, for whomever. `spoken` is the language before the first window, where
        that is known.

        Raises EngineUnavailable, WindowRejected (permanent), WindowFailed (try again).
        """
        conversation = _Conversation(self, options, on_progress, spoken)
        try:
            yield from conversation.run(iter(windows), one_by_one)
        finally:
            conversation.hang_up()

    def status(self, timeout: float = 2.0) -> EngineStatus:
        """Asks the engine how it is. Raises EngineUnavailable unless it answers within `timeout` seconds."""
        return wire.parse_status(self._asked({"kind": "status"}, timeout))

    def _asked(self, question: wire.Header, timeout: float = 2.0) -> wire.Header:
        deadline = time.monotonic() + timeout
        try:
            with self.connect(timeout) as connection:
                connection.sendall(wire.frame(question))
                return _receive(connection, deadline)
        except (OSError, EOFError, wire.ProtocolError) as error:
            raise EngineUnavailable(f"the engine at {self.address} does not answer: {error}") from error

    def order(self, kind: Literal["load", "unload"], model: str) -> str:
        """Has the engine load or unload a model, which it goes on to do. Returns why it refuses, "" if it doesn't.

        Raises EngineUnavailable.
        """
        return str(self._asked({"kind": kind, "model": model})["reason"])

    def mels(self, model: str) -> int:
        """Asks the engine how many mels a model hears that is an operator's own.

        Raises WindowRejected where it doesn't, and EngineUnavailable when `patience` seconds are over.
        """
        deadline = time.monotonic() + self.patience
        while True:
            try:
                status = self.status()
            except EngineUnavailable:
                if time.monotonic() > deadline:
                    raise
            else:
                if model in status.mels:
                    return status.mels[model]
                if status.ready:
                    raise WindowRejected(f"the engine does not serve the model {model!r}: {status.error}")
                if time.monotonic() > deadline:
                    raise EngineUnavailable(f"the engine at {self.address} is still starting")
            time.sleep(RETRY_SECONDS)

    def connect(self, timeout: float) -> socket.socket:
        """Opens a fresh connection. Raises OSError where nobody listens."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect(self.address)
        except OSError:
            connection.close()
            raise
        return connection


@dataclass(slots=True)
class _Sent:
    """A window without an answer yet.

    losses: engines that ended while they had it. alone: whether the engine has it, and nothing else.
    """

    window: Window
    losses: int = 0
    alone: bool = False

    @property
    def name(self) -> str:
        return f"window {self.window.index} ({self.window.start:.1f} s)"

    def lose(self) -> None:
        """Counts an engine that ended while it had the window. Raises WindowFailed after MOST_LOSSES."""
        self.losses += 1
        if self.losses > MOST_LOSSES:
            raise WindowFailed(f"the engine was lost {self.losses} times while it had {self.name}")


class _Conversation:
    """One stream of windows, over as many connections as it takes."""

    def __init__(
        self, client: EngineClient, options: DecodeOptions, on_progress: Callable[[], None], spoken: str
    ) -> None:
        self.client = client
        self.options = options
        self.on_progress = on_progress
        self.calls_done = 0
        self.stream = uuid.uuid4().hex
        self.language = spoken or None
        self.connection: socket.socket | None = None
        self.unanswered: dict[int, _Sent] = {}
        self.early: dict[int, WindowResult] = {}
        self.room = FIRST_WINDOWS
        self.sent = 0
        self.answered = 0

    def run(self, windows: Iterator[Window], one_by_one: bool) -> Iterator[WindowResult]:
        more = True
        while more or self.unanswered:
            if more and self._may_send(one_by_one) and not self._answer_waits():
                window = next(windows, None)
                if window is None:
                    more = False
                else:
                    self._send_new(window)
                continue
            self._take_answer()
            while self.answered in self.early:
                yield self.early.pop(self.answered)
                self.answered += 1

    def hang_up(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _may_send(self, one_by_one: bool) -> bool:
        """Returns whether a new window may be sent: not before those that an engine lost are answered."""
        room = 1 if one_by_one else self.room
        return len(self.unanswered) < room and not any(sent.losses for sent in self.unanswered.values())

    def _answer_waits(self) -> bool:
        if self.connection is None:
            return False
        return bool(select.select([self.connection], [], [], 0)[0])

    def _send_new(self, window: Window) -> None:
        wire.check_window(window)
        number = self.sent
        self.sent += 1
        self.unanswered[number] = _Sent(window)
        try:
            if self.connection is None:
                self._reconnect()
            else:
                self._send(number)
        except OSError:
            self._resend_everything()

    def _send(self, number: int) -> None:
        if self.connection is None:
            raise ConnectionError("the connection is gone")
        sent = self.unanswered[number]
        sent.alone = False
        self.connection.sendall(
            wire.window_frame(
                number,
                self.stream,
                sent.window,
                self.options,
                self.language,
                suspect=sent.losses > 0,
                request_id=self.client.request_id,
            )
        )

    def _take_answer(self) -> None:
        try:
            self._handle(self._next_header())
        except (OSError, EOFError):
            self._resend_everything()
        except wire.ProtocolError as error:
            raise WindowFailed(f"the engine's answer makes no sense: {error}") from error

    def _next_header(self) -> wire.Header:
        if self.connection is None:
            raise ConnectionError("the connection is gone")
        asked = time.monotonic()
        while not select.select([self.connection], [], [], SILENCE_SECONDS)[0]:
            try:
                self._note_progress(self.client.status(timeout=SILENCE_SECONDS))
                asked = time.monotonic()
            except EngineUnavailable:
                if time.monotonic() - asked > self.client.patience:
                    raise
        return _receive(self.connection)

    def _note_progress(self, status: EngineStatus) -> None:
        """Reports progress. A call in progress counts: the engine's watchdog ends one that hangs. So does a start,
        which takes minutes where a GPU is tried.
        """
        if not status.ready or status.calls_in_hand or status.calls_done != self.calls_done:
            self.on_progress()
        self.calls_done = status.calls_done

    def _handle(self, header: wire.Header) -> None:
        reason = str(header.get("reason", ""))
        match header["kind"]:
            case "result":
                number, self.room = int(header["id"]), int(header["room"])
                if (sent := self.unanswered.pop(number, None)) is not None:
                    result = wire.parse_result(header)
                    follows = sent.window.passage is not None or self.language is None
                    if follows and not sent.window.is_doubted:
                        self.language = result.language
                    self.early[number] = result
            case "alone":
                if (sent := self.unanswered.get(int(header["id"]))) is not None:
                    sent.alone = True
            case "rejected":
                raise WindowRejected(reason)
            case "failed":
                raise WindowFailed(reason)
            case kind:
                raise wire.ProtocolError(f"unexpected {kind!r} {reason}")

    def _resend_everything(self) -> None:
        """Sends all unanswered windows to the next engine. Raises WindowFailed and EngineUnavailable."""
        self._drain()
        for sent in self.unanswered.values():
            sent.lose()
        time.sleep(RETRY_SECONDS)  # the socket of a process that is dying still takes connections
        self._reconnect()

    def _drain(self) -> None:
        """Reads what the engine sent before it ended. Raises WindowFailed if it had one window alone."""
        with suppress(OSError, EOFError, wire.ProtocolError):
            while self._answer_waits() and self.connection is not None:
                self._handle(_receive(self.connection))
        for sent in self.unanswered.values():
            if sent.alone:
                raise WindowFailed(f"{sent.name} ended the engine while it was decoded alone")

    def _reconnect(self) -> None:
        """Connects and sends all unanswered windows. Raises EngineUnavailable when `patience` seconds are over."""
        deadline = time.monotonic() + self.client.patience
        while True:
            self.hang_up()
            try:
                self.connection = self.client.connect(timeout=self.client.patience)
                for number in self.unanswered:
                    self._send(number)
                return
            except OSError as error:
                self._drain()
                if time.monotonic() > deadline:
                    raise EngineUnavailable(
                        f"no engine at {self.client.address} for {self.client.patience:g} s"
                    ) from error
                time.sleep(RETRY_SECONDS)


def _receive(connection: socket.socket, deadline: float | None = None) -> wire.Header:
    head = _read(connection, wire.header_length(_read(connection, 4, deadline)), deadline)
    return wire.parse_header(head)


def _read(connection: socket.socket, size: int, deadline: float | None) -> bytes:
    received = bytearray()
    while len(received) < size:
        if deadline is not None:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
        chunk = connection.recv(size - len(received))
        if not chunk:
            raise EOFError("the engine closed the connection")
        received += chunk
    return bytes(received)

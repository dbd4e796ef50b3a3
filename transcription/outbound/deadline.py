"""A deadline that holds whatever the other side does, drop by drop or not at all."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from django.utils.translation import gettext as _

from transcription.outbound.errors import OutboundError


class Deadline:
    """Shuts the watched sockets down when `seconds` are over: a read in any thread then ends at once.

    A socket's own timeout counts from byte to byte, so that one byte a second would hold us for ever.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._shut_down_sockets)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for watched in self._sockets:
                watched.close()
            self._sockets.clear()

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._end

    def left(self) -> float:
        """Seconds. Raises OutboundError where none is left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.error()
        return left

    def watch(self, connected: socket.socket) -> None:
        """Keeps a handle of its own: TLS takes the first one away."""
        with self._lock:
            self._sockets.append(connected.dup())
        if self.is_over:
            self._shut_down_sockets()

    def error(self) -> OutboundError:
        return OutboundError("timeout", _("The other side took too long to answer."), may_succeed_later=True)

    def _shut_down_sockets(self) -> None:
        with self._lock:
            for watched in self._sockets:
                with suppress(OSError):
                    watched.shutdown(socket.SHUT_RDWR)

"""Limits the total time of an exchange, even if the other side sends slowly or nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from django.utils.translation import gettext as _

from transcription.outbound.errors import OutboundError


class Deadline:
    """Shuts the watched sockets down after `seconds`, which ends reads in any thread.

    A socket's own timeout starts again with each byte, so that a byte a second would keep it open forever.
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
        """Returns the seconds that are left. Raises OutboundError if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.error()
        return left

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Ends the whole exchange where what is done meanwhile takes longer."""
        timer = threading.Timer(seconds, self._end_now)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def watch(self, connected: socket.socket) -> None:
        """Adds a socket, as a duplicate, since TLS detaches the original."""
        with self._lock:
            self._sockets.append(connected.dup())
        if self.is_over:
            self._shut_down_sockets()

    def error(self) -> OutboundError:
        return OutboundError("timeout", _("The remote server took too long to answer."), may_succeed_later=True)

    def _end_now(self) -> None:
        self._end = min(self._end, time.monotonic())
        self._shut_down_sockets()

    def _shut_down_sockets(self) -> None:
        with self._lock:
            for watched in self._sockets:
                with suppress(OSError):
                    watched.shutdown(socket.SHUT_RDWR)

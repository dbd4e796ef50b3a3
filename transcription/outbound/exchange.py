"""One HTTP request and its answer, over a connection of its own."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.client import HTTPException
from typing import Any

import certifi
from django.utils.translation import gettext as _
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from transcription.outbound import connecting
from transcription.outbound.deadline import Deadline
from transcription.outbound.errors import OutboundError
from transcription.outbound.target import Target

AGENT = "WhisperPortal/1"


class _PlainConnection(HTTPConnection):
    """Asks no resolver: it is handed the socket."""

    def __init__(self, connected: socket.socket, host: str, port: int, **options: Any) -> None:
        super().__init__(host, port, **options)
        self._connected = connected

    def _new_conn(self) -> socket.socket:
        return self._connected


class _TlsConnection(HTTPSConnection):
    """The same; the certificate must be the host's, whatever address was dialled."""

    def __init__(self, connected: socket.socket, host: str, port: int, **options: Any) -> None:
        super().__init__(host, port, ssl_context=tls_context(), **options)
        self._connected = connected

    def _new_conn(self) -> socket.socket:
        return self._connected


@cache
def tls_context() -> ssl.SSLContext:
    """The machine's certificate authorities, which may have the operator's own, and Mozilla's."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


@contextmanager
def exchange(
    method: str,
    target: Target,
    deadline: Deadline,
    idle_seconds: float,
    headers: Mapping[str, str],
    body: bytes | None = None,
) -> Iterator[HTTPResponse]:
    """The answer, its body not read yet. `idle_seconds` is the longest wait for a byte. Raises OutboundError."""
    connected = connecting.connect(target, deadline)
    kind = _TlsConnection if target.scheme == "https" else _PlainConnection
    connection = kind(connected, target.host, target.port, timeout=idle_seconds)
    try:
        connected.settimeout(min(idle_seconds, deadline.left()))
        common = {"User-Agent": AGENT, "Accept-Encoding": "identity", "Connection": "close"}
        connection.request(method, target.path, body, {**common, **headers}, preload_content=False)
        answer = connection.getresponse()
        deadline.left()  # headers that it cut short look like whole ones
        yield answer
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        raise _outbound_error(error, deadline) from error
    finally:
        connection.close()
        connected.close()


def _outbound_error(error: Exception, deadline: Deadline) -> OutboundError:
    if deadline.is_over or isinstance(error, TimeoutError):
        return deadline.error()
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _("The other side’s certificate is not valid for this host: %(reason)s.")
        return OutboundError("tls", reason % {"reason": error.verify_message})
    if isinstance(error, ssl.SSLError):
        return OutboundError("tls", _("No encrypted connection came about."), may_succeed_later=True)
    return OutboundError("broken", _("The connection broke off, or what came was not HTTP."), may_succeed_later=True)

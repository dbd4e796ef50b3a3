"""One HTTP request and its response, over its own connection."""

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
    """An HTTP connection over a connected socket."""

    def __init__(self, connected: socket.socket, host: str, port: int, **options: Any) -> None:
        super().__init__(host, port, **options)
        self._connected = connected

    def _new_conn(self) -> socket.socket:
        return self._connected


class _TlsConnection(HTTPSConnection):
    """An HTTPS connection over a connected socket; the certificate must be the host's, whatever the address."""

    def __init__(self, connected: socket.socket, host: str, port: int, **options: Any) -> None:
        super().__init__(host, port, ssl_context=tls_context(), **options)
        self._connected = connected

    def _new_conn(self) -> socket.socket:
        return self._connected


@cache
def tls_context() -> ssl.SSLContext:
    """Trusts the machine's certificate authorities, which may include the operator's, and Mozilla's."""
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
    """Yields the response before its body is read. `idle_seconds` limits the wait for data. Raises OutboundError."""
    connected = connecting.connect(target, deadline)
    kind = _TlsConnection if target.scheme == "https" else _PlainConnection
    connection = kind(connected, target.host, target.port, timeout=idle_seconds)
    try:
        connected.settimeout(min(idle_seconds, deadline.left()))
        common = {"User-Agent": AGENT, "Accept-Encoding": "identity", "Connection": "close"}
        connection.request(method, target.path, body, {**common, **headers}, preload_content=False)
        answer = connection.getresponse()
        deadline.left()  # after the deadline, truncated headers look like complete ones
        yield answer
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        broken = _("The connection broke off, or what came was not HTTP.")
        raise outbound_error(error, deadline, broken) from error
    finally:
        connection.close()
        connected.close()


def outbound_error(error: Exception, deadline: Deadline, broken: str) -> OutboundError:
    """Says why an exchange broke off; `broken` where nothing else is known."""
    if deadline.is_over or isinstance(error, TimeoutError):
        return deadline.error()
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _("The remote server’s certificate is not valid for this host: %(reason)s.")
        return OutboundError("tls", reason % {"reason": error.verify_message})
    if isinstance(error, ssl.SSLError):
        return OutboundError("tls", _("No encrypted connection came about."), may_succeed_later=True)
    return OutboundError("broken", broken, may_succeed_later=True)

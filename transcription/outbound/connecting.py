"""Resolves a host once, checks its addresses and connects to them."""

from __future__ import annotations

import queue
import socket
import threading
from ipaddress import ip_address

from django.utils.translation import gettext as _

from transcription.outbound import networks
from transcription.outbound.deadline import Deadline
from transcription.outbound.errors import OutboundError
from transcription.outbound.networks import Address
from transcription.outbound.target import Target

CONNECT_SECONDS = 5.0
MAX_TRIED = 4


def addresses(target: Target, deadline: Deadline) -> list[Address]:
    """Returns the addresses of a host, all of which are allowed. Raises OutboundError.

    Unknown names and names with a private address have the same message, which reveals nothing of internal DNS.
    """
    resolved = [target.literal] if target.literal is not None else _resolve(target.host, deadline)
    if not resolved or not all(networks.is_allowed(address) for address in resolved):
        message = _("The host’s name has no public address: it is unknown, or belongs to a private network.")
        raise OutboundError("no_public_address", message, may_succeed_later=True)
    return list(dict.fromkeys(resolved))


def connect(target: Target, deadline: Deadline) -> socket.socket:
    """Connects to the first address that accepts. Raises OutboundError."""
    for address in addresses(target, deadline)[:MAX_TRIED]:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(min(CONNECT_SECONDS, deadline.left()))
            connection.connect((str(address), target.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            deadline.watch(connection)
        except OSError:
            connection.close()
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    message = _("Nobody answered at %(host)s, port %(port)d.") % {"host": target.host, "port": target.port}
    raise OutboundError("unreachable", message, may_succeed_later=True)


def _resolve(host: str, deadline: Deadline) -> list[Address]:
    """Runs the system's resolver in a thread, which is abandoned after the deadline, as it can't be interrupted."""
    answers: queue.SimpleQueue[list[Address]] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_look_up(host)), name="resolver", daemon=True).start()
    try:
        return answers.get(timeout=deadline.left())
    except queue.Empty:
        raise deadline.error() from None


def _look_up(host: str) -> list[Address]:
    try:
        rows = socket.getaddrinfo(host, None, socket.AF_UNSPEC, socket.SOCK_STREAM)
        return [ip_address(str(row[4][0])) for row in rows]
    except (OSError, ValueError):
        return []

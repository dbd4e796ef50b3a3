"""From a host's name to a connected socket: resolved once, judged, and connected to what was judged."""

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
    """The addresses of a host, all of them allowed. Raises OutboundError.

    A name without an address and a name with a private one are told the same: who asks learns nothing of our DNS.
    """
    found = [target.literal] if target.literal is not None else _resolved(target.host, deadline)
    if not found or not all(networks.is_allowed(address) for address in found):
        message = _("The host’s name has no public address: it is unknown, or belongs to a private network.")
        raise OutboundError("no_public_address", message, may_succeed_later=True)
    return list(dict.fromkeys(found))


def connect(target: Target, deadline: Deadline) -> socket.socket:
    """Connects to the first address that answers. Raises OutboundError."""
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


def _resolved(host: str, deadline: Deadline) -> list[Address]:
    """The system's resolver can't be interrupted: it is left behind where it outlasts the deadline."""
    answers: queue.SimpleQueue[list[Address]] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_looked_up(host)), name="resolver", daemon=True).start()
    try:
        return answers.get(timeout=deadline.left())
    except queue.Empty:
        raise deadline.error() from None


def _looked_up(host: str) -> list[Address]:
    try:
        rows = socket.getaddrinfo(host, None, socket.AF_UNSPEC, socket.SOCK_STREAM)
        return [ip_address(str(row[4][0])) for row in rows]
    except (OSError, ValueError):
        return []

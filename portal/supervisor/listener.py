"""Opens the listening socket of the web processes, before anything is started. It stays while they restart."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


class AddressRefused(Exception):
    """The address can't be listened on, for the reason given."""


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yields a listening socket that children inherit. Raises AddressRefused."""
    if not 0 < port < 2**16:
        raise AddressRefused(f"{port} is no port: one of 1 to 65535 is needed.")
    try:
        family, kind, number, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, number)
    except OSError as error:
        raise AddressRefused(f"{host}:{port} is no address to listen on: {error}") from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it; event loops set it on sockets that they open themselves. Without it the second packet
        # of an answer waits for the client's delayed acknowledgement: 40 ms a request on a kept connection.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind(address)
            listener.listen(0)  # two sockets may be bound to one port while none of them listens
        except OSError as error:
            raise AddressRefused(
                f"Port {port} on {host} can't be used: {error.strerror}. Choose another one: make run PORT=8001"
            ) from None
        listener.set_inheritable(True)
        yield listener

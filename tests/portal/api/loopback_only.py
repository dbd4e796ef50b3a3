"""For programs that tests start: whoever is asked for an address other than this machine's is stopped."""

from __future__ import annotations

import sys
from typing import Any

HERE = ("127.0.0.1", "localhost", "::1")


def enforce() -> None:
    """From now on this process resolves and connects to this machine only; anything else ends it."""
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (None, "", *HERE):
        sys.stderr.write(f"This program dials {host}.\n")
        sys.stderr.flush()
        raise SystemExit(3)

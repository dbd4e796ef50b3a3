"""What Django is told of the database that DATABASE_URL names."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import dj_database_url

SERVER_PORT = 5432
CONNECT_SECONDS = 5
RECONNECT_SECONDS = 5
"""The pool doubles its pauses for so long, then the next request connects: else it finds a database that was away for
minutes only minutes later."""

IDLE_SECONDS, PROBE_SECONDS, PROBES = 10, 5, 3
UNACKNOWLEDGED_MS = 1000 * PROBE_SECONDS * PROBES


def database(url: str, connections: int) -> dict[str, Any]:
    """Returns the entry of DATABASES, with a pool of so many connections on PostgreSQL."""
    if url.startswith("sqlite"):
        found: dict[str, Any] = dict(dj_database_url.parse(url))
        found["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
        }
        return found
    found = _postgresql(url)
    found["CONN_HEALTH_CHECKS"] = True  # a restarted PostgreSQL leaves a pool of dead connections
    pool = {"min_size": 0, "max_size": connections, "timeout": 10, "reconnect_timeout": RECONNECT_SECONDS}
    found["OPTIONS"] = {**_noticing_cut_links(), **found.get("OPTIONS", {}), "pool": pool}
    return found


def _postgresql(url: str) -> dict[str, Any]:
    """Reads a URL that may name several servers, as libpq's may: `host:port,host:port`."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return dict(dj_database_url.parse(url))
    servers = [urlsplit(f"//{host}") for host in hosts.split(",")]
    found: dict[str, Any] = dict(dj_database_url.parse(parts._replace(netloc=f"{login}{at}server").geturl()))
    named = {
        "HOST": ",".join(server.hostname or "" for server in servers),
        "PORT": ",".join(str(server.port or SERVER_PORT) for server in servers),
    }
    return found | named


def _noticing_cut_links() -> dict[str, Any]:
    """Returns libpq's options by which both ends give up a connection whose link is cut, within half a minute.

    The system waits for hours: here a request hangs, and there the locks of whoever is gone are held.
    """
    ours = {
        "tcp_keepalives_idle": IDLE_SECONDS,
        "tcp_keepalives_interval": PROBE_SECONDS,
        "tcp_keepalives_count": PROBES,
        "tcp_user_timeout": UNACKNOWLEDGED_MS,
    }
    return {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": IDLE_SECONDS,
        "keepalives_interval": PROBE_SECONDS,
        "keepalives_count": PROBES,
        "tcp_user_timeout": UNACKNOWLEDGED_MS,
        "options": " ".join(f"-c {name}={value}" for name, value in ours.items()),
    }

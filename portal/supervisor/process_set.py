"""The processes of an installation on one machine, in the order in which they start and stop."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.conf import settings

from portal import env
from portal.supervisor import gpus, valkey
from portal.supervisor.console import LogPipe, say
from portal.supervisor.preparation import collect_static_files
from portal.supervisor.reload import SourceFiles
from transcription.worker.process_supervisor import ManagedProcess, Supervisor, exec_command, fork, run_once

STOP_SECONDS = 28.0
VALKEY_SECONDS = 3.0
WEB_GRACE_SECONDS = 5

SOURCE_FOLDERS = ("portal", "tenants", "transcription", "templates", "static", "locale")


class ProcessSet:
    """Valkey where it is embedded, a gpuworker for each GPU, WEB_CONCURRENCY web processes on one socket, a sweeper."""

    def __init__(self, listener: socket.socket, logs: Path, environment: dict[str, str]) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._environment = environment
        self._pipes: list[LogPipe] = []
        self.valkey = [self._process("valkey", _valkey_command(), is_printed=False)] if settings.REDIS_EMBEDDED else []
        self.gpuworkers = [
            self._process(f"gpuworker{number or ''}", _manage("gpuworker"), changes)
            for number, changes in enumerate(gpus.environments())
        ]
        self.webs = [
            self._process(f"web{number or ''}", web_command(listener)) for number in range(settings.WEB_CONCURRENCY)
        ]
        self.sweeper = self._process("sweeper", _manage("sweeper"))

    def run(self, announce: Callable[[], None], reload: bool = False) -> None:
        """Runs until SIGTERM or SIGINT, and `announce` once in a child. `reload` restarts web processes at changes."""
        sources = SourceFiles(settings.BASE_DIR / name for name in SOURCE_FOLDERS) if reload else None
        with Supervisor(say) as supervisor:
            for pipe in self._pipes:
                supervisor.read(pipe.read_fd, pipe.forward)
            announcer = ManagedProcess("The announcer", partial(fork, "announcer", announce), runs_once=True)
            processes = [*self.gpuworkers, *self.webs, self.sweeper, announcer]
            supervisor.start(*self.valkey, *processes)
            supervisor.run(every=partial(self._reload_webs, supervisor, sources) if sources else None)
            say("Stopping. Unfinished recordings go on at the next start; Ctrl-C again to hurry.")
            supervisor.stop(processes, STOP_SECONDS)
            supervisor.stop(self.valkey, VALKEY_SECONDS)  # last: until then the others send wake-ups

    def _reload_webs(self, supervisor: Supervisor, sources: SourceFiles) -> None:
        """Restarts the web processes where a source has changed. Connections wait at the listening socket meanwhile."""
        if not sources.have_changed():
            return
        say("A source file has changed: the web process is started again.")
        supervisor.stop(self.webs, WEB_GRACE_SECONDS + 2)
        run_once("static files", collect_static_files)
        for web in self.webs:
            web.restart_delay = web.restart_at = 0.0  # one that failed with the code before isn't waited for
            web.start()

    def _process(
        self, name: str, command: list[str], changes: dict[str, str] | None = None, is_printed: bool = True
    ) -> ManagedProcess:
        pipe = LogPipe(name, self._logs, is_printed)
        self._pipes.append(pipe)
        environment = self._environment | (changes or {})
        return ManagedProcess(name, partial(fork, name, partial(exec_command, command, environment, pipe.write_fd)))


def _manage(command: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), command]


def web_command(listener: socket.socket) -> list[str]:
    """Returns the command line of a web process that accepts connections from `listener`."""
    return [sys.executable, "-m", "portal.http.uvicorn_server", str(listener.fileno()), str(WEB_GRACE_SECONDS)]


def _valkey_command() -> list[str]:
    settings.RUN_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    return valkey.server_command(settings.DATA / "valkey", settings.RUN_DIR / "valkey.sock")


def environment_of(host: str, port: int, url: str) -> dict[str, str]:
    """Returns the environment that all processes of a start have in common."""
    return env.process_environment(HOST=host, PORT=str(port), PORTAL_URL=url, PYTHONPATH=str(settings.BASE_DIR))

"""The processes of an installation on one machine, and the order in which they go."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.conf import settings

from portal import env
from portal.supervisor import gpus, valkey
from portal.supervisor.console import Voice, say
from portal.supervisor.preparation import collect_static_files
from portal.supervisor.reload import SourceFiles
from transcription.worker.process_supervisor import ManagedProcess, Supervisor, exec_command, fork, run_once

STOP_SECONDS = 28.0
VALKEY_SECONDS = 3.0
WEB_GRACE_SECONDS = 5
SOURCE_FOLDERS = ("portal", "tenants", "transcription", "templates", "static", "locale")


class Crew:
    """Valkey where it is embedded, WEB_CONCURRENCY web processes on one socket, sweeper, one gpuworker for each GPU."""

    def __init__(self, listener: socket.socket, logs: Path, environment: dict[str, str]) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._environment = environment
        self._voices: list[Voice] = []
        self.doorbell = [self._member("valkey", _valkey_command(), loud=False)] if settings.REDIS_EMBEDDED else []
        self.workers = [
            self._member(f"gpuworker{number or ''}", _manage("gpuworker"), changes)
            for number, changes in enumerate(gpus.environments())
        ]
        # Uvicorn reads WEB_CONCURRENCY, too; here each process is looked after by itself.
        self.webs = [
            self._member(f"web{number or ''}", web_command(listener), {"WEB_CONCURRENCY": "1"})
            for number in range(settings.WEB_CONCURRENCY)
        ]
        self.members = [*self.workers, *self.webs, self._member("sweeper", _manage("sweeper"))]

    def run(self, greet: Callable[[], None], reload: bool = False) -> None:
        """Until SIGTERM or SIGINT. `greet` runs in a child, once; `reload` restarts the web processes at changes."""
        sources = SourceFiles(settings.BASE_DIR / name for name in SOURCE_FOLDERS) if reload else None
        with Supervisor(say) as supervisor:
            for voice in self._voices:
                supervisor.read(voice.ear, voice.listen)
            greeter = ManagedProcess("The greeter", partial(fork, "greeter", greet), runs_once=True)
            supervisor.start(*self.doorbell, *self.members, greeter)
            supervisor.run(every=partial(self._reload_webs, supervisor, sources) if sources else None)
            say("Stopping. Unfinished recordings go on at the next start; Ctrl-C again to hurry.")
            self._stop(supervisor, [*self.members, greeter])

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

    def _stop(self, supervisor: Supervisor, first: list[ManagedProcess]) -> None:
        """Valkey goes last, since the others still send wake-ups."""
        supervisor.stop(first, STOP_SECONDS)
        supervisor.stop(self.doorbell, VALKEY_SECONDS)

    def _member(
        self, name: str, command: list[str], changes: dict[str, str] | None = None, loud: bool = True
    ) -> ManagedProcess:
        voice = Voice(name, self._logs, loud)
        self._voices.append(voice)
        environment = self._environment | (changes or {})
        return ManagedProcess(name, partial(fork, name, partial(exec_command, command, voice.mouth, environment)))


def _manage(command: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), command]


def web_command(listener: socket.socket) -> list[str]:
    """The web process, which takes its connections from `listener`."""
    return [
        *(sys.executable, "-m", "uvicorn", "portal.asgi:application", "--fd", str(listener.fileno())),
        *("--loop", "uvloop", "--http", "portal.http.connection_limits:BoundedHttpProtocol"),
        *("--ws", "websockets-sansio", "--lifespan", "off"),
        *("--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", str(WEB_GRACE_SECONDS)),
    ]


def _valkey_command() -> list[str]:
    settings.RUN_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    return valkey.server_command(settings.DATA / "valkey", settings.RUN_DIR / "valkey.sock")


def environment_of(host: str, port: int, url: str) -> dict[str, str]:
    """What every member is started with."""
    return env.process_environment(HOST=host, PORT=str(port), PORTAL_URL=url, PYTHONPATH=str(settings.BASE_DIR))

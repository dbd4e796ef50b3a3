"""The processes under test, and whoever starts them again: what systemd or `manage.py up` would be."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import redis

from portal.supervisor.listener import listening
from portal.supervisor.valkey import server_command
from tests.chaos.orders import FOLDER_VARIABLE
from tests.chaos.plan import Plan
from tests.chaos.postgres import Postgres
from tests.chaos.process import HASTE_VARIABLE, REAL_VARIABLE, SLOWNESS_VARIABLE
from tests.waiting import until
from transcription.worker import parent_death

ROOT = Path(__file__).resolve().parents[2]
RESTART_SECONDS = 0.5
STOP_SECONDS = 30.0


@dataclass(eq=False)
class ManagedProcess:
    """A process that runs until it is told to stop, or held down."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    user: str | None = None
    inherited: tuple[int, ...] = ()
    stop_signal: int = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None
    due_at: float = 0.0
    starts: int = 0
    is_held_down: bool = field(default=False)

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            cwd=self.log.parent,
            env=self.environment,
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
            user=self.user,
            pass_fds=self.inherited,
            preexec_fn=partial(parent_death.die_with_parent, os.getpid()),
        )
        self.starts += 1
        self.due_at = 0.0

    def tend(self) -> None:
        """Starts it again, a moment after it ended."""
        if self.is_held_down or (self.process and self.process.poll() is None):
            return
        self.due_at = self.due_at or time.monotonic() + RESTART_SECONDS
        if time.monotonic() >= self.due_at:
            self.start()

    def send(self, number: int) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)

    def descendants(self, word: str) -> list[psutil.Process]:
        """Its living descendants that are called `word`, or have it as an argument."""
        if self.process is None:
            return []
        try:
            family = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [member for member in family if _is_called(member, word)]


class ProcessGroup:
    """PostgreSQL, Valkey, gpuworkers, sweeper and web, all on data in `folder`."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.data = folder / "data"
        self.logs = folder / "logs"
        self.database = Postgres(folder / "pg")
        self.redis_socket = folder / "valkey.sock"
        self.url = ""
        self.members: dict[str, ManagedProcess] = {}
        self._open = ExitStack()
        self._ending = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        for place in (self.data, self.logs):
            place.mkdir(parents=True)
        self.logs.chmod(0o777)
        self.database.prepare()
        self._hire()
        self._keeper.start()
        until(self.is_redis_there, 20, "Valkey")
        until(lambda: (self.database.folder / ".s.PGSQL.5432").exists(), 20, "PostgreSQL")

    def open(self) -> None:
        """Starts what needs a migrated database."""
        for member in self._staff():
            self.members[member.name] = member

    def stop(self) -> None:
        """The product first, then what it leans on."""
        self._ending.set()
        basis = [self.members[name] for name in ("postgres", "valkey") if name in self.members]
        staff = [member for member in self.members.values() if member not in basis]
        for group in (staff, basis):
            _end(group)
        self._keeper.join(5)
        self._open.close()

    def tenants(self) -> list[dict[str, object]]:
        """Migrates, and makes tenants; their ids and keys."""
        command = self._command("tenants", str(self.plan.tenants + 1))
        done = subprocess.run(command, env=self._environment(), cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        found: list[dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
        return found

    def gpuworkers(self) -> list[ManagedProcess]:
        return [member for name, member in self.members.items() if name.startswith("gpuworker")]

    def redis(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.redis_socket), socket_timeout=2)

    def is_redis_there(self) -> bool:
        try:
            return bool(self.redis().ping())
        except redis.RedisError:
            return False

    def _hire(self) -> None:
        host = self._open.enter_context(listening("127.0.0.1", _free_port()))
        self._listener = host
        self.url = f"http://127.0.0.1:{host.getsockname()[1]}"
        bare = dict(os.environ)
        database = self._member("postgres", self.database.command(), bare, user=self.database.user)
        database.stop_signal = signal.SIGINT
        self.members = {
            "postgres": database,
            "valkey": self._member("valkey", server_command(self.folder / "valkey", self.redis_socket), bare),
        }

    def _staff(self) -> list[ManagedProcess]:
        environment = self._environment()
        web = self._member("web", self._command("web", str(self._listener.fileno())), environment)
        web.inherited = (self._listener.fileno(),)
        gpuworkers = [
            self._member(
                f"gpuworker{number}",
                self._command("gpuworker"),
                environment | self._one_of_several(number),
            )
            for number in range(self.plan.gpuworkers)
        ]
        return [web, *gpuworkers, self._member("sweeper", self._command("sweeper"), environment)]

    def _one_of_several(self, number: int) -> dict[str, str]:
        return {"GPUWORKER_NAME": f"chaos:{number}", "ENGINE_SOCKET": str(self.folder / f"engine{number}.sock")}

    def _member(
        self, name: str, command: list[str], environment: dict[str, str], user: str | None = None
    ) -> ManagedProcess:
        return ManagedProcess(name, command, environment, self.logs / f"{name}.log", user)

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tests.chaos.process", *arguments]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "DATABASE_URL": self.database.url,
            "REDIS_URL": f"unix://{self.redis_socket}?db=0",
            "PORTAL_DATA": str(self.data),
            "PORTAL_URL": self.url,
            "PYTHONWARNINGS": "ignore",
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "WHISPER_DEVICE": "cpu",
            "WHISPER_MODELS": "base",
            "LEASE_SECONDS": str(self.plan.lease),
            "WORKERS": str(self.plan.workers // self.plan.gpuworkers + 1),  # one keeps room for short clips
            "OPENBLAS_NUM_THREADS": "1",
            FOLDER_VARIABLE: str(self.folder),
            SLOWNESS_VARIABLE: str(self.plan.slowness),
            HASTE_VARIABLE: str(self.plan.haste),
            REAL_VARIABLE: "1" if self.plan.is_real else "",
            "WHISPER_WEIGHTS": str(weights()),
        }

    def _keep(self) -> None:
        """All are started by this one thread, which lives as long as they: the kernel ties them to it."""
        while not self._ending.is_set():
            for member in list(self.members.values()):
                member.tend()
            time.sleep(0.05)
        while any(member.process and member.process.poll() is None for member in self.members.values()):
            time.sleep(0.1)


def weights() -> Path:
    """Where the real engine's are."""
    return Path(os.environ.get("WHISPER_WEIGHTS") or ROOT / "var" / "models")


def _end(members: list[ManagedProcess]) -> None:
    for member in members:
        member.send(member.stop_signal)
    deadline = time.monotonic() + STOP_SECONDS
    for member in members:
        if member.process is None:
            continue
        try:
            member.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            member.process.kill()


def _is_called(process: psutil.Process, word: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.name().startswith(word) or word in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

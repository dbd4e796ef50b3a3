"""One large file through resumable upload while its client and its server are killed again and again.

`python -m benchmarks.resume --size 1GiB --kills 10`: ten SIGKILLs of the client, ten of the web process, at bytes that
the seed decides; the last one of the server falls on the moment when the last byte has come. Then the recording is
compared with the file, byte by byte.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.resume_client import PIECE, Sent
from benchmarks.table import machine, print_table

ROOT = Path(__file__).resolve().parent.parent
UNITS = {"MiB": 1024**2, "GiB": 1024**3}
LOOK_SECONDS = 0.002
PATIENCE_SECONDS = 900
PREPARE = """
import django; django.setup()
from django.core.management import call_command
from tenants import api_keys
from tenants.models import Quota, Tenant
call_command("migrate", verbosity=0)
tenant = Tenant.objects.create(name="Acme")
Quota.with_defaults(tenant).save()
print(api_keys.issue(tenant, "benchmark")[1])
"""


@dataclass
class Outcome:
    """What was measured. Bytes but for `seconds`; `on_the_way` are kills before the last byte had come."""

    size: int
    client_kills: int
    server_kills: int
    on_the_way: int
    sent: int
    identical: bool
    recordings: int
    left_over: int
    seconds: float
    memory_before: int
    memory_most: int

    @property
    def sent_twice(self) -> int:
        return self.sent - self.size


@dataclass
class Stage:
    """A web process and a sweeper on data of their own, and one client."""

    folder: Path
    port: int
    file: Path
    pace: int
    key: str = ""
    on_the_way: int = 0
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    memory_before: int = 0
    memory_most: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def state(self) -> Path:
        return self.folder / "upload"

    @property
    def environment(self) -> dict[str, str]:
        changes = {
            "PORTAL_DATA": str(self.folder / "data"),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "ALLOWED_HOSTS": "127.0.0.1",
            "WHISPER_MODELS": "base",
        }
        return {
            name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
        } | changes

    @property
    def _client(self) -> list[str]:
        return [str(self.file), str(self.state), str(self.pace)]

    def prepare(self) -> None:
        made = self._run(PREPARE)
        self.key = made.strip().splitlines()[-1]

    def start(self, name: str) -> None:
        commands = {
            "web": ["-m", "uvicorn", "portal.asgi:application", "--port", str(self.port), *WEB],
            "sweeper": ["manage.py", "sweeper"],
            "client": ["-m", "benchmarks.resume_client", self.url, self.key, *self._client],
        }
        log = (self.folder / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(
            [sys.executable, *commands[name]], cwd=ROOT, env=self.environment, stdout=log, stderr=subprocess.STDOUT
        )
        log.close()

    def kill(self, name: str) -> None:
        self.measure()
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def measure(self) -> None:
        """Notes the most memory that the web process ever had, as the kernel counts it."""
        try:
            status = Path(f"/proc/{self.processes['web'].pid}/status").read_text()
        except FileNotFoundError:
            return
        most = [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")]
        self.memory_most = max([self.memory_most, *most])

    def wait_for_web(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                httpx.options(f"{self.url}/api/v1/uploads", timeout=5)
                return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise RuntimeError((self.folder / "web.log").read_text()[-4000:])

    def on_disk(self) -> int:
        """How many bytes of the upload the server has."""
        if not self.state.exists():
            return 0
        name = self.state.read_text().rsplit("/", 1)[-1]
        try:
            return (self.folder / "data" / "uploads" / name).stat().st_size
        except FileNotFoundError:
            return 0

    def ask(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", headers={"Authorization": f"Bearer {self.key}"}, timeout=60)

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    def _run(self, code: str) -> str:
        command = [sys.executable, "-c", code]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, check=True, capture_output=True, text=True
        ).stdout


WEB = (
    *("--loop", "uvloop", "--http", "portal.http.connection_limits:BoundedHttpProtocol"),
    *("--ws", "websockets-sansio", "--lifespan", "off"),
    *("--no-access-log", "--log-level", "warning"),
)


def run(size: int, kills: int, seed: int, folder: Path, pace: int = 0) -> Outcome:
    """Uploads `size` bytes through `kills` kills of the client and as many of the server.

    `pace` is the most bytes a second that the client sends, 0 for any.
    """
    file = folder / "long.wav"
    noise(file, size)
    with _stage(folder, file, pace) as stage:
        httpx.get(f"{stage.url}/api/v1/uploads", headers={"Authorization": f"Bearer {stage.key}"})
        stage.measure()
        stage.memory_before = stage.memory_most
        begin = time.monotonic()
        stage.start("client")
        _kill_on_the_way(stage, size, kills, random.Random(seed))
        _wait_until_accepted(stage)
        seconds = time.monotonic() - begin
        stage.measure()
        return _outcome(stage, size, kills, seconds)


def noise(path: Path, size: int) -> None:
    """A WAV of exactly `size` bytes of stereo noise: no two pieces of it are alike."""
    with wave.open(str(path), "wb") as sound:
        sound.setparams((2, 2, 48_000, 0, "NONE", "noise"))
        left = size - 44
        while left > 0:
            piece = min(left, 1024**2)
            sound.writeframesraw(secrets.token_bytes(piece - piece % 4))
            left -= piece
    assert path.stat().st_size == size - size % 4


@contextmanager
def _stage(folder: Path, file: Path, pace: int) -> Iterator[Stage]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        stage = Stage(folder, int(probe.getsockname()[1]), file, pace)
    stage.prepare()
    try:
        stage.start("web")
        stage.start("sweeper")
        stage.wait_for_web()
        yield stage
    finally:
        stage.stop()


def _kill_on_the_way(stage: Stage, size: int, kills: int, chance: random.Random) -> None:
    """At rising bytes, in random order; the server's last when the last byte is there."""
    victims = ["client"] * kills + ["web"] * (kills - 1)
    chance.shuffle(victims)
    places = sorted(chance.randrange(size) for _ in victims)
    for place, victim in [*zip(places, victims, strict=True), (size, "web")]:
        _wait_for_byte(stage, place)
        stage.on_the_way += stage.on_disk() < size
        stage.kill(victim)
        stage.start(victim)


def _wait_for_byte(stage: Stage, place: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while stage.on_disk() < place and stage.processes["client"].poll() is None:
        if time.monotonic() > deadline:
            raise TimeoutError((stage.folder / "client.log").read_text()[-2000:])
        time.sleep(LOOK_SECONDS)


def _wait_until_accepted(stage: Stage) -> None:
    """Raises AssertionError where it was refused."""
    stage.processes["client"].wait(PATIENCE_SECONDS)
    stage.wait_for_web()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        said = stage.ask(stage.state.read_text()).json()
        assert said["state"] != "refused", said
        if said["state"] == "accepted":
            return
        time.sleep(0.1)
    raise TimeoutError((stage.folder / "sweeper.log").read_text()[-2000:])


def _outcome(stage: Stage, size: int, kills: int, seconds: float) -> Outcome:
    recordings = stage.ask("/api/v1/recordings").json()["results"]
    [media] = (stage.folder / "data" / "media").glob("tenants/*/recordings/*/original")
    return Outcome(
        size=size,
        client_kills=kills,
        server_kills=kills,
        on_the_way=stage.on_the_way,
        sent=Sent(stage.state.with_suffix(".sent")).bytes,
        identical=_digest(media) == _digest(stage.file),
        recordings=len(recordings),
        left_over=len(list((stage.folder / "data" / "uploads").iterdir())),
        seconds=seconds,
        memory_before=stage.memory_before,
        memory_most=stage.memory_most,
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _bytes(text: str) -> int:
    """`24MiB`, `1GiB` or a plain number; whole frames of sound."""
    for unit, factor in UNITS.items():
        if text.endswith(unit):
            return int(text.removesuffix(unit)) * factor
    return int(text) // 4 * 4


def _mebibytes(count: float) -> str:
    return f"{count / 1024**2:.1f} MiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=_bytes, default="1GiB")
    parser.add_argument("--kills", type=int, default=10, help="of the client, and as many of the server")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="resume-") as folder:
        found = run(options.size, options.kills, options.seed, Path(folder))
    print(machine())
    kills = found.client_kills + found.server_kills
    rows = [
        [
            "byte-identical, one recording, nothing left",
            f"{found.identical}, {found.recordings}, {found.left_over == 0}",
        ],
        ["kills before the last byte had come", f"{found.on_the_way} of {kills}"],
        ["sent twice", f"{_mebibytes(found.sent_twice)} ({_mebibytes(found.sent_twice / kills)} a kill)"],
        ["allowed: a piece a kill", _mebibytes(kills * PIECE)],
        [
            "the web process's memory, before and at most",
            f"{_mebibytes(found.memory_before)}, {_mebibytes(found.memory_most)}",
        ],
        ["seconds, with restarts and acceptance", f"{found.seconds:.1f}"],
    ]
    title = f"{_mebibytes(found.size)} through {found.client_kills} kills of the client and as many of the server"
    print_table(f"{title}, seed {options.seed}", ["", ""], rows)


if __name__ == "__main__":
    main()

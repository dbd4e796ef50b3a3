"""The whole product as `make run` starts it, once for all tests that need it and do it no harm."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests import databases
from tests.scripted.control import EngineControl
from tests.scripted.engine import FOLDER_VARIABLE

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 240
PREPARE = """
import django; django.setup()
from portal.supervisor import preparation
preparation.prepare_database(); preparation.collect_static_files()
from django.db import connection; connection.close()
"""


@dataclass(frozen=True)
class Stack:
    """A running portal: where it is, who may sign in, and its data."""

    url: str
    credentials: dict[str, str]
    data: Path
    process: subprocess.Popen[bytes]

    @property
    def api_key(self) -> str:
        return self.credentials["api_key"]

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    @property
    def engine(self) -> EngineControl:
        """Of a stack with the scripted engine."""
        return EngineControl(_control_folder(self.data))


def start_scripted(data: Path, root: Path = ROOT, /, *options: str, **environment: str) -> Stack:
    """Starts the stack with the scripted engine, on a database that is migrated already."""
    if not any(data.iterdir()):
        prepare(data)
    ours = {"DJANGO_SETTINGS_MODULE": "tests.scripted.settings", FOLDER_VARIABLE: str(_control_folder(data))}
    return start(data, root, *options, **ours, **environment)


def start(data: Path, root: Path = ROOT, /, *options: str, **environment: str) -> Stack:
    """Starts the stack from the code in `root` on a free port and waits until it is healthy."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up", *options],
        cwd=root,
        env=_environment(data, port) | environment,
        stdout=(data / "up.log").open("ab"),
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    _wait_until_healthy(url, process, data)
    return Stack(url, _credentials(data), data, process)


def stop(stack: Stack) -> None:
    stack.process.send_signal(signal.SIGTERM)
    stack.process.wait(40)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The product with Whisper base."""
    data = tmp_path_factory.mktemp("stack")
    prepare(data)
    running = start(data)
    yield running
    stop(running)


def prepare(data: Path) -> None:
    """Puts a migrated database and static files into a new data folder."""
    shutil.copytree(_prepared(), data, dirs_exist_ok=True)


def _prepared() -> Path:
    """A data folder with a migrated database and static files, made once for all processes of a test run."""
    folder = Path(os.environ["PORTAL_TEST_DATA"]) / "prepared"
    with databases.template() as migrated:
        if not folder.exists():
            making = Path(tempfile.mkdtemp(prefix="preparing-", dir=folder.parent))
            database = making / "portal.sqlite3"
            if migrated.exists():
                shutil.copyfile(migrated, database)
            environment = _environment(making, 0) | {"DJANGO_SETTINGS_MODULE": "tests.scripted.settings"}
            subprocess.run([sys.executable, "-c", PREPARE], cwd=ROOT, env=environment, check=True)
            if not migrated.exists():
                shutil.copyfile(database, migrated)
            (making / "secret_key").unlink(missing_ok=True)
            making.rename(folder)
    return folder


def _control_folder(data: Path) -> Path:
    return data / "engine-control"


def _environment(data: Path, port: int) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    weights = os.environ.get("WHISPER_WEIGHTS", str(ROOT / "var" / "models"))
    return ours | {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PORTAL_DATA": str(data),
        "PORT": str(port),
        "WHISPER_WEIGHTS": weights,
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], data: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    process.kill()
    raise RuntimeError("The stack did not start:\n" + (data / "up.log").read_text()[-4000:])


def _credentials(data: Path) -> dict[str, str]:
    lines = (data / "credentials.txt").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines if ":" in line)}

"""A product with secrets in its environment, whose tables are taken away: all that it says is searched."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest
import redis

from portal import env
from portal.supervisor import valkey
from tests import stack
from tests.mailserver import MailServer, receiving
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.slow
PASSWORDS = {
    "SECRET_KEY": "key-of-this-installation-and-no-other",
    "SECRET_KEY_FALLBACKS": "older-key-of-this-installation",
    "EMAIL_HOST_PASSWORD": "mail-password-of-ours",
    "S3_ACCESS_KEY": "s3-access-key-of-ours",
    "S3_SECRET_KEY": "s3/secret+key/of/ours",
    "METRICS_TOKEN": "metrics-token-of-ours",
}
DATABASE_PASSWORD, REDIS_PASSWORD = "database-password-of-ours", "redis-password-of-ours"
TICKET = "wst_a-ticket-that-nobody-may-see"
RESET_LINK = "/accounts/password/reset/key/1-c0ffee-0123456789abcdef0123456789abcdef/"


@dataclass
class Failing:
    """A product whose tables can be taken away, where its mails go, and what must never be seen."""

    stack: Stack
    environment: dict[str, str]
    mails: MailServer
    secrets: list[str] = field(default_factory=list)

    @contextmanager
    def without(self, *tables: str) -> Iterator[None]:
        self._rename({table: f"{table}_away" for table in tables})
        try:
            yield
        finally:
            self._rename({f"{table}_away": table for table in tables})

    def _rename(self, names: dict[str, str]) -> None:
        self._run([f"ALTER TABLE {before} RENAME TO {after}" for before, after in names.items()])

    def _run(self, statements: list[str]) -> None:
        with sqlite3.connect(self.stack.data / "portal.sqlite3", timeout=30) as database:
            database.execute("PRAGMA legacy_alter_table=ON")  # nothing else is to follow a table's new name
            for statement in statements:
                database.execute(statement)
        database.close()

    @contextmanager
    def with_damaged_dates(self) -> Iterator[None]:
        """People and keys can't be read: a fault that nobody foresaw, where a table that is away is an outage."""
        self._add_to_months(50)
        try:
            yield
        finally:
            self._add_to_months(-50)

    def _add_to_months(self, count: int) -> None:
        columns = {"tenants_user": "date_joined", "tenants_apikey": "created_at"}
        change = "UPDATE {0} SET {1} = substr({1}, 1, 5) || printf('%02d', substr({1}, 6, 2) + {2}) || substr({1}, 8)"
        self._run([change.format(table, column, count) for table, column in columns.items()])

    def manage(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        given = self.environment | changes
        return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120, check=False)

    def log(self, name: str) -> str:
        file = self.stack.data / "logs" / f"{name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def everything_said(self) -> dict[str, str]:
        said = {str(file): file.read_text(errors="replace") for file in self.stack.data.glob("logs/*.log*")}
        said["terminal"] = (self.stack.data / "up.log").read_text(errors="replace")
        return said | {f"mail {number}": text for number, text in enumerate(self.mails.texts)}


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failing]:
    data = tmp_path_factory.mktemp("secrets")
    with receiving() as mails, redis_with_password(data / "redis.sock"):
        environment = PASSWORDS | {
            "DATABASE_URL": f"sqlite://portal:{DATABASE_PASSWORD}@/{data}/portal.sqlite3",
            "REDIS_URL": f"unix://:{REDIS_PASSWORD}@{data}/redis.sock?db=0",
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(mails.port),
            "ADMINS": "olivia@portal.example",
            "WEB_CONCURRENCY": "2",
            "WORKERS": "1",
        }
        running = stack.start_scripted(data, **environment)
        try:
            given = {**os.environ, "PORTAL_DATA": str(data), "DJANGO_SETTINGS_MODULE": "portal.settings"}
            known = [*PASSWORDS.values(), DATABASE_PASSWORD, REDIS_PASSWORD, running.api_key]
            yield Failing(running, given | environment, mails, known)
        finally:
            stack.stop(running)


@contextmanager
def redis_with_password(socket: Path) -> Iterator[None]:
    """Its password comes by standard input, since everybody may read command lines."""
    configuration = f"port 0\nunixsocket {socket}\nrequirepass {REDIS_PASSWORD}\nsave ''\nloglevel warning\n"
    command = [valkey.find_server(), "-"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=socket.parent)
    try:
        assert server.stdin
        server.stdin.write(configuration.encode())
        server.stdin.close()
        yield
    finally:
        server.terminate()
        server.wait(10)


def signed_in(product: Failing) -> httpx.Client:
    """The owner's browser, whose cookies are secrets from now on."""
    client = httpx.Client(base_url=product.stack.url, timeout=60, headers={"Referer": product.stack.url})
    client.get("/accounts/login/")
    form = {
        "login": product.stack.credentials["staff_email"],
        "password": product.stack.credentials["staff_password"],
        "csrfmiddlewaretoken": client.cookies["csrftoken"],
    }
    assert client.post("/accounts/login/", data=form).status_code == 302
    product.secrets += [form["password"], *client.cookies.values()]
    return client


def until(product: Failing, process: str, sign: str) -> None:
    deadline = time.monotonic() + 60
    while sign not in product.log(process):
        assert time.monotonic() < deadline, f"{process} never said {sign!r}:\n{product.log(process)[-3000:]}"
        time.sleep(0.2)


def seen(secrets: list[str], said: dict[str, str]) -> list[str]:
    return [f"{secret!r} in {where}" for where, text in said.items() for secret in secrets if secret in text]


def test_failing_requests_are_told_without_secrets_and_mailed_once(failing: Failing) -> None:
    browser, program = signed_in(failing), httpx.Client(base_url=failing.stack.url, headers=failing.stack.bearer)
    failing.secrets += [TICKET, "reset/key/1-c0ffee"]
    with failing.with_damaged_dates():
        for _each in range(6):  # two web processes share them
            page = browser.get(f"/recordings/?ticket={TICKET}", headers={"Referer": failing.stack.url + RESET_LINK})
            assert page.status_code == 500
            assert program.get("/api/v1/recordings").status_code == 500
    assert "Traceback" in failing.log("web") + failing.log("web1")
    mails = failing.mails.texts
    assert mails
    assert len(mails) <= 3, [mail.splitlines()[0] for mail in mails]
    assert any("DATABASE_URL" in mail for mail in mails)
    assert seen(failing.secrets, failing.everything_said()) == []


def test_the_sweeper_and_what_it_sends_fail_without_secrets(failing: Failing) -> None:
    with failing.without("webhooks_delivery", "webhooks_endpoint", "fetches_fetch", "uploads_upload"):
        until(failing, "sweeper", "Sweeping failed: webhooks sent")
        until(failing, "sweeper", "Sweeping failed")
    assert seen(failing.secrets, failing.everything_said()) == []


def test_a_work_horse_fails_without_secrets(failing: Failing) -> None:
    with failing.without("transcription_line"):
        woken = failing.manage(
            "shell", "--no-imports", "-c", "from transcription.queue import wakeups; wakeups.wake(1)"
        )
        assert woken.returncode == 0, woken.stderr
        until(failing, "gpuworker", "no such table: transcription_line")
    assert seen(failing.secrets, failing.everything_said()) == []
    kept = redis.Redis.from_url(failing.environment["REDIS_URL"])
    told = {key.decode(): str(kept.dump(key)) for key in kept.scan_iter("rq:*")}
    assert seen(failing.secrets, told) == []


def test_what_operators_are_shown_has_no_secret(failing: Failing) -> None:
    tables = {"transcription_attempt": "error", "transcription_transcription": "error_message"}
    with sqlite3.connect(failing.stack.data / "portal.sqlite3") as database:
        columns = {name: str(database.execute(f"SELECT {one} FROM {name}").fetchall()) for name, one in tables.items()}
    health = httpx.get(f"{failing.stack.url}/health").text
    assert seen(failing.secrets, columns | {"health": health}) == []


def test_a_supervisor_that_cannot_start_says_no_secret(failing: Failing, tmp_path: Path) -> None:
    away = f"postgresql://portal:{DATABASE_PASSWORD}@127.0.0.1:1/portal"
    with ThreadPoolExecutor() as pool:  # each waits ten seconds for its database
        starting = pool.submit(failing.manage, "up", PORTAL_DATA=str(tmp_path), DATABASE_URL=away)
        migrating = pool.submit(failing.manage, "migrate", DATABASE_URL=away)
    done, broken = starting.result(), migrating.result()
    assert done.returncode == 1
    assert "can't start" in done.stderr
    assert "OperationalError" in broken.stderr
    said = {"up": done.stdout + done.stderr, "migrate": broken.stdout + broken.stderr}
    assert seen(failing.secrets, said) == []


def test_command_lines_tell_no_secret_and_the_engine_knows_none(failing: Failing) -> None:
    family = psutil.Process(failing.stack.process.pid).children(recursive=True)
    lines = {str(process.pid): " ".join(process.cmdline()) for process in family}
    assert len(lines) > 5
    assert seen(failing.secrets, lines) == []
    engines = [process for process in family if "tests.scripted.engine" in process.cmdline()]
    assert engines
    names = {name for name, variable in env.VARIABLES.items() if variable.is_secret}
    for engine in engines:
        assert not names & engine.environ().keys()

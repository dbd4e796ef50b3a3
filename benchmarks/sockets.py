"""Many open pages: `python -m tests.postgres python -m benchmarks.sockets [--sockets 2000 10000] [--webs 1 2]`.

Starts the product as `make run` does, with one and with two web processes, and opens that many sockets of
`/ws/recordings/`, each with the session of a person of its own, of 100 tenants. The clients are another process
(benchmarks.socket_clients) on the same machine. Then, ten times a second, a tenant's sockets are told of progress, as
a worker tells it: from the sending to the moment in which a client has it is what counts, each client's. Beside that
are printed how fast they open, how much a socket adds to the web processes' own memory (USS), the processor's time of
web processes and database while nothing happens but the checks whether each may stay, and how long /health takes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import psycopg

from benchmarks.processes import own_mib, processes_of, processor_seconds
from benchmarks.table import machine, print_table
from tests.stack import Stack, start, stop

if TYPE_CHECKING:
    from uuid import UUID

TENANTS = 100
REST_SECONDS, EVENT_SECONDS, EVENTS_A_SECOND = 20, 20, 10
SOURCES = 8
"""Addresses of the loopback that clients come from: one has 28,000 ports."""
ENOUGH = {"WEB_CONNECTIONS": "15000", "QUOTA_REQUESTS_PER_MINUTE": "100000"}


@dataclass(frozen=True)
class People:
    """Tenants, and the cookies of their people, tenant by tenant in turn."""

    tenants: list[UUID]
    cookies: list[str]


def make_people(count: int) -> People:
    """Writes people with a session each, as signing in does."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.hashers import make_password
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    from tenants.models import Member, Quota, Tenant, User

    tenants = Tenant.objects.bulk_create(Tenant(name=f"Tenant {number}") for number in range(TENANTS))
    Quota.objects.bulk_create(Quota.with_defaults(tenant) for tenant in tenants)
    password = make_password("correct horse")
    users = User.objects.bulk_create(User(email=f"{n}@people.example", password=password) for n in range(count))
    Member.objects.bulk_create(
        Member(tenant=tenants[n % TENANTS], user=user, role="editor") for n, user in enumerate(users)
    )
    store, rows = SessionStore(), []
    for user in users:
        data = {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
        expires = timezone.now() + timedelta(days=1)
        rows.append(
            Session(session_key=f"benchmark{user.pk:023d}", session_data=store.encode(data), expire_date=expires)
        )
    Session.objects.bulk_create(rows)
    return People([tenant.id for tenant in tenants], [f"{settings.SESSION_COOKIE_NAME}={row.pk}" for row in rows])


class Clients:
    """The process of the clients."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.socket_clients"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def open(self, stack: Stack, cookies: list[str]) -> dict[str, Any]:
        port = stack.url.rpartition(":")[2]
        lines = [f"{port} 127.0.0.{1 + number % SOURCES} {cookie}\n" for number, cookie in enumerate(cookies)]
        return self._ask("".join([*lines, "\n"]))

    def events(self) -> dict[str, Any]:
        return self._ask("events\n")

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _ask(self, text: str) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(text)
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))


def measure(stack: Stack, people: People, count: int, webs: int) -> list[str]:
    """Returns a line of the table."""
    processes = [process for name, process in processes_of(stack).items() if name.startswith("web")]
    assert len(processes) == webs
    httpx.get(f"{stack.url}/health", timeout=60)
    before, clients = sum(map(own_mib, processes)), Clients()
    try:
        opened = clients.open(stack, people.cookies[:count])
        for why in sorted({*opened["closed"]}):
            print(f"{webs} web, {count} sockets: {opened['closed'].count(why)} × {why}", file=sys.stderr)
        time.sleep(5)
        memory = (sum(map(own_mib, processes)) - before) * 1024 / count
        web, database = _at_rest(processes)
        health = asyncio.run(_tell(stack, people.tenants))
        found = clients.events()
    finally:
        clients.end()
    late = sorted(1000 * seconds for _sent, seconds in found["events"])
    told = EVENT_SECONDS * EVENTS_A_SECOND * count / TENANTS
    cuts = statistics.quantiles(late, n=20) if len(late) > 1 else [float("nan")] * 19
    return [
        str(count),
        str(webs),
        f"{count / opened['seconds']:.0f}",
        f"{cuts[9]:.0f} ms",
        f"{cuts[18]:.0f} ms",
        f"{late[-1] if late else float('nan'):.0f} ms",
        f"{len(late) / told:.1%}",
        f"{len(found['closed'])}",
        f"{memory:.0f} KiB",
        f"{web:.0%}",
        f"{database:.0%}",
        f"{1000 * statistics.median(health):.0f} ms ({1000 * max(health):.0f})",
    ]


def _at_rest(webs: list[psutil.Process]) -> tuple[float, float]:
    """Returns what web processes and PostgreSQL take of a core while nothing happens."""
    before = sum(map(processor_seconds, webs)), _of_postgresql()
    time.sleep(REST_SECONDS)
    after = sum(map(processor_seconds, webs)), _of_postgresql()
    return (after[0] - before[0]) / REST_SECONDS, (after[1] - before[1]) / REST_SECONDS


def _of_postgresql() -> float:
    """Seconds of a core of all processes of the product's server, which runs on this machine."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        server = psutil.Process(connection.info.backend_pid).parent()
    assert server
    return sum(map(processor_seconds, [server, *server.children()]))


async def _tell(stack: Stack, tenants: list[UUID]) -> list[float]:
    """Tells tenants in turn, each at its moment, and asks for /health each second. Returns the seconds of these."""
    from channels.layers import get_channel_layer

    from transcription.queue.progress import tenant_group

    layer: Any = get_channel_layer()
    health: list[float] = []

    async def ask() -> None:
        async with httpx.AsyncClient(timeout=60) as client:
            while True:
                begin = time.monotonic()
                await client.get(f"{stack.url}/health")
                health.append(time.monotonic() - begin)
                await asyncio.sleep(1)

    asking, begin = asyncio.create_task(ask()), time.monotonic()
    for number in range(EVENT_SECONDS * EVENTS_A_SECOND):
        await asyncio.sleep(max(0.0, begin + number / EVENTS_A_SECOND - time.monotonic()))
        tenant = tenants[number % TENANTS]
        told = {"type": "recording.progress", "recording": str(tenant), "percent": time.monotonic()}
        await layer.group_send(tenant_group(tenant), told)
    await asyncio.sleep(5)
    asking.cancel()
    return health


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sockets", type=int, nargs="+", default=[2000, 10_000])
    parser.add_argument("--webs", type=int, nargs="+", default=[1, 2])
    wanted = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="wp-bench-") as folder:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "portal.settings", "PORTAL_DATA": folder, "LOG_LEVEL": "ERROR"}
        people = None
        for webs in wanted.webs:
            for count in wanted.sockets:
                database = {"DATABASE_URL": os.environ["DATABASE_URL"]}
                stack = start(Path(folder), **ENOUGH, **database, WEB_CONCURRENCY=str(webs))
                try:
                    people = people or _first_people(max(wanted.sockets))
                    rows.append(measure(stack, people, count, webs))
                    print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
                finally:
                    stop(stack)
    print(f"{machine()}; PostgreSQL, load average {os.getloadavg()[1]:.1f} of 5 minutes")
    head = ["sockets", "web processes", "opened a second", "event to client p50", "p95", "longest", "events that came"]
    head += ["closed", "memory a socket", "web at rest, of a core", "PostgreSQL at rest", "/health, median (longest)"]
    print_table(f"Sockets of pages, {TENANTS} tenants, {EVENTS_A_SECOND} events a second", head, rows)


def _first_people(count: int) -> People:
    import django

    django.setup()
    return make_people(count)


if __name__ == "__main__":
    main()

"""The native API over HTTP, among 1,000,000 recordings of 1,000 tenants: requests a second, and how long each takes.

python -m tests.postgres python -m benchmarks.api [--recordings 1000000] [--requests 1000]

One web process, as `make run` starts it, on a PostgreSQL that holds what benchmarks.search makes. Two clients ask at
once. Queries are counted in this process, for the smallest and for the largest tenant.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

import httpx  # noqa: E402 - the rest needs the settings
import psutil  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from benchmarks import search  # noqa: E402
from benchmarks.table import machine, print_table  # noqa: E402
from tenants import apikeys, scope  # noqa: E402
from tenants.models import Quota, Tenant  # noqa: E402
from transcription.models import Recording  # noqa: E402

CLIENTS = 2
CALLERS = 100
MIB = 1024 * 1024
Address = Callable[[random.Random, "Caller"], str]


@dataclass(frozen=True)
class Caller:
    """A tenant with a key, and some of its recordings."""

    tenant: Tenant
    secret: str
    recordings: list[str]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}


def addresses() -> dict[str, Address]:
    words = search.queries()

    def found(name: str) -> Address:
        return lambda seed, caller: f"/api/v1/search?q={words[name](seed)}"

    return {
        "list, 50 on a page": lambda seed, caller: "/api/v1/recordings",
        "list, completed ones": lambda seed, caller: "/api/v1/recordings?status=completed",
        "detail": lambda seed, caller: f"/api/v1/recordings/{seed.choice(caller.recordings)}",
        "search, a common word": found("a common word"),
        "search, three words": found("three words"),
        "search, two Chinese characters": found("two Chinese characters"),
    }


def callers(tenants: list[Tenant]) -> list[Caller]:
    chosen = [tenants[0], *random.Random(3).sample(tenants[1:], CALLERS - 1)]
    return [_caller(tenant) for tenant in chosen]


def _caller(tenant: Tenant) -> Caller:
    quota = Quota.with_defaults(tenant)
    quota.requests_per_minute = 1_000_000
    quota.save()
    _key, secret = apikeys.issue(tenant, "Benchmark")
    with scope.bound(tenant.id):
        ids = Recording.objects.order_by("id").values_list("id", flat=True)[:200]
        return Caller(tenant, secret, [str(one) for one in ids])


@contextmanager
def web_process() -> Iterator[tuple[str, psutil.Process]]:
    """A web process on this process's database; its address."""
    with socket.socket() as probe, tempfile.TemporaryDirectory(prefix="bench-") as data:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "DATABASE_URL": _database_url(),
            "PORTAL_DATA": data,
            "ALLOWED_HOSTS": "127.0.0.1",
        }
        command = [sys.executable, "-m", "uvicorn", "portal.asgi:application", "--port", str(port), "--no-access-log"]
        process = subprocess.Popen(command, env=environment, stderr=(Path(data) / "log").open("wb"))
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url)
            yield url, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(20)


def _database_url() -> str:
    """That of the test database, which has another name than DATABASE_URL's."""
    base, _, query = os.environ["DATABASE_URL"].partition("?")
    name = settings.DATABASES["default"]["NAME"]
    return base.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/health", timeout=5)
            return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise RuntimeError("the web process did not start")


def measure(url: str, asking: list[Caller], address: Address, requests: int) -> tuple[list[float], float]:
    """Milliseconds of each request in order, and requests a second."""

    def ask(number: int) -> list[float]:
        seed, times = random.Random(number), []
        with httpx.Client(base_url=url, timeout=30) as client:
            for turn in range(requests // CLIENTS + 20):
                caller = seed.choice(asking)
                began = time.perf_counter()
                client.get(address(seed, caller), headers=caller.headers).raise_for_status()
                times += [(time.perf_counter() - began) * 1000] if turn >= 20 else []
        return times

    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        found = [value for times in pool.map(ask, range(CLIENTS)) for value in times]
    return sorted(found), (len(found) + 20 * CLIENTS) / (time.perf_counter() - began)


def queries(caller: Caller, address: Address) -> int:
    """Queries of one request. `Client` warms up with another one."""
    seed = random.Random(5)
    client = Client(headers=caller.headers)
    client.get(address(seed, caller))
    with CaptureQueriesContext(connection) as captured:
        client.get(address(seed, caller))
    return len(captured)


def report(recordings: int, requests: int) -> None:
    print(f"{machine()}, {connection.vendor} {connection.cursor().connection.info.server_version}")
    tenants = search.customers()
    search.fill(tenants, recordings, words=120)
    asking = callers(tenants)
    rows = []
    with web_process() as (url, process):
        before = process.memory_info().rss / MIB
        for name, address in addresses().items():
            times, rate = measure(url, asking, address, requests)
            counts = f"{queries(asking[1], address)} / {queries(asking[0], address)}"
            at = [times[len(times) // 2], times[int(0.95 * len(times))], times[-1]]
            rows.append([name, f"{rate:.0f}", *(f"{value:.1f} ms" for value in at), counts])
        after = process.memory_info().rss / MIB
    head = ["request", "a second", "p50", "p95", "slowest", "queries: a small tenant / the largest"]
    print_table(f"{recordings:,} recordings of {len(tenants):,} tenants, {CLIENTS} clients at once", head, rows)
    print(f"\nThe web process: {before:.0f} MiB before, {after:.0f} MiB after all of it")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=1000)
    arguments = parser.parse_args()
    name = connection.creation.create_test_db(verbosity=0)
    try:
        report(arguments.recordings, arguments.requests)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()

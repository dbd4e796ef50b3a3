"""The native API over HTTP, among 1,000,000 recordings of 1,000 tenants: requests a second, and how long each takes.

python -m tests.postgres python -m benchmarks.api [--recordings 1000000] [--requests 1000]

One web process, as `make run` starts it, and as many as there are cores, on a PostgreSQL that holds what
benchmarks.search makes. Two clients ask at once. Queries are counted in this process, for the smallest and for the
largest tenant.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
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
from portal.supervisor.process_set import web_command  # noqa: E402
from tenants import api_keys, scope  # noqa: E402
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
    _key, secret = api_keys.issue(tenant, "Benchmark")
    with scope.bound(tenant.id):
        ids = Recording.objects.order_by("id").values_list("id", flat=True)[:200]
        return Caller(tenant, secret, [str(one) for one in ids])


@contextmanager
def web(processes: int) -> Iterator[tuple[list[str], list[psutil.Process]]]:
    """Web processes on this process's database, each with its address, as behind nginx."""
    with ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "DATABASE_URL": _database_url(),
            "PORTAL_DATA": data,
            "ALLOWED_HOSTS": "127.0.0.1",
        }
        started = [stack.enter_context(_web_process(environment, Path(data) / "log")) for _ in range(processes)]
        yield [url for url, _ in started], [process for _, process in started]


@contextmanager
def _web_process(environment: dict[str, str], log: Path) -> Iterator[tuple[str, psutil.Process]]:
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("ab") as said:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as the supervisor does
        child = subprocess.Popen(web_command(listener), env=environment, stderr=said, pass_fds=[listener.fileno()])
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            _wait_for(url)
            yield url, psutil.Process(child.pid)
        finally:
            child.terminate()
            child.wait(20)


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


def measure(urls: list[str], asking: list[Caller], address: Address, requests: int) -> tuple[list[float], float]:
    """Milliseconds of each request in order, and requests a second. The clients are spread over the addresses."""

    def ask(number: int) -> list[float]:
        seed, times = random.Random(number), []
        with httpx.Client(base_url=urls[number % len(urls)], timeout=30) as client:
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
    print(f"{recordings:,} recordings of {len(tenants):,} tenants, {CLIENTS} clients at once")
    asking = callers(tenants)
    for processes in sorted({1, os.cpu_count() or 1}):
        compare(processes, asking, requests)


def compare(processes: int, asking: list[Caller], requests: int) -> None:
    """Prints a line for each kind of request."""
    rows = []
    with web(processes) as (urls, serving):
        before = [_mebibytes(process) for process in serving]
        for name, address in addresses().items():
            times, rate = measure(urls, asking, address, requests)
            counts = f"{queries(asking[1], address)} / {queries(asking[0], address)}"
            at = [times[len(times) // 2], times[int(0.95 * len(times))], times[-1]]
            rows.append([name, f"{rate:.0f}", *(f"{value:.1f} ms" for value in at), counts])
        after = [_mebibytes(process) for process in serving]
    head = ["request", "a second", "p50", "p95", "slowest", "queries: a small tenant / the largest"]
    print_table(f"{processes} web process(es)", head, rows)
    print(f"\nMemory of each before and after all of it: {', '.join(map(_from_to, before, after))}")


def _mebibytes(process: psutil.Process) -> int:
    return round(float(process.memory_info().rss) / MIB)


def _from_to(before: int, after: int) -> str:
    return f"{before} MiB, {after} MiB"


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

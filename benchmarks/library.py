"""How long the library's pages take among 100,000 recordings of one organisation in 2,000 folders.

python -m tests.postgres python -m benchmarks.library [--recordings 100000] [--folders 2000] [--requests 60]

Nine recordings of ten are in a folder, nineteen folders of twenty are restricted. Asked for are the pages as browsers
get them, but for HTTP, by an owner, who sees all, by an editor who is in 50 of the folders, and by one who is in none.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.db import connection  # noqa: E402 - models need the settings
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext, override_settings  # noqa: E402

from benchmarks import search  # noqa: E402
from benchmarks.table import machine, print_table  # noqa: E402
from tenants import scope  # noqa: E402
from tenants.models import Member, Quota, Role, Tenant, User  # noqa: E402
from transcription.models import Folder, FolderMember, FolderRole, Recording  # noqa: E402

IN_FOLDERS = 50
Address = Callable[[random.Random], str]


def addresses(folders: list[Folder]) -> dict[str, Address]:
    words = search.queries()
    return {
        "all, newest first": lambda seed: "/recordings/?by=all",
        "all, page 200": lambda seed: "/recordings/?by=all&page=200",
        "all, by name": lambda seed: "/recordings/?by=all&order=name",
        "a folder": lambda seed: f"/recordings/?by=all&folder={seed.choice(folders).id}",
        "in no folder": lambda seed: "/recordings/?by=all&folder=none",
        "search, a common word": lambda seed: f"/recordings/?by=all&search={words['a common word'](seed)}",
        "search, a rare word": lambda seed: f"/recordings/?by=all&search={words['a rare word'](seed)}",
        "all folders": lambda seed: "/folders/",
        "names for a picker": lambda seed: f"/folders/names.json?q={seed.randrange(100)}",
    }


def fill(recordings: int, count: int) -> tuple[Tenant, list[Folder]]:
    tenant = Tenant.objects.create(name="Acme")
    Quota.with_defaults(tenant).save()
    search.fill([tenant] * search.TENANTS, recordings, words=120)
    with scope.bound(tenant.id):
        folders = Folder.objects.bulk_create(
            Folder(tenant=tenant, name=f"Folder {n}", folded=f"folder {n}", restricted=n % 20 != 0)
            for n in range(count)
        )
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TEMPORARY TABLE numbered AS"
                f" SELECT id, row_number() OVER () - 1 AS n FROM {Folder._meta.db_table}"
            )
            cursor.execute(
                f"UPDATE {Recording._meta.db_table} r SET folder_id = numbered.id FROM numbered"
                " WHERE numbered.n = abs(hashtext(r.id::text)) %% %s AND abs(hashtext(r.id::text || 'x')) %% 10 <> 0",
                [count],
            )
            cursor.execute("VACUUM ANALYZE")
    return tenant, folders


def member(tenant: Tenant, name: str, role: str, folders: list[Folder]) -> Client:
    user = User.objects.create_user(f"{name}@acme.example", "correct horse")
    row = Member.objects.create(tenant=tenant, user=user, role=role)
    with scope.bound(tenant.id):
        FolderMember.objects.bulk_create(
            FolderMember(tenant=tenant, folder=one, member=row, role=FolderRole.EDITOR) for one in folders
        )
    client = Client()
    client.force_login(user)
    return client


def measure(client: Client, address: Address, requests: int) -> tuple[list[float], int, float, float]:
    """Returns milliseconds of each request in order, the queries of one, and the processor's of web and database."""
    seed, times, web, database = random.Random(3), list[float](), 0.0, 0.0
    for turn in range(requests + 5):
        if turn == 5:
            web, database = time.process_time(), database_time()
        began = time.perf_counter()
        answer = client.get(address(seed))
        if turn >= 5:
            times.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer
    web, database = time.process_time() - web, database_time() - database
    with CaptureQueriesContext(connection) as captured:
        client.get(address(seed))
    return sorted(times), len(captured), web * 1000 / requests, database * 1000 / requests


def database_time() -> float:
    """Returns the seconds that the processor has worked for this connection, which is a process beside this one."""
    process = connection.cursor().connection.info.backend_pid
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def report(recordings: int, count: int, requests: int) -> None:
    connection.cursor().execute("SET max_parallel_workers_per_gather = 0")  # their time would be another process's
    print(f"{machine()}, {connection.vendor} {connection.cursor().connection.info.server_version}")
    tenant, folders = fill(recordings, count)
    restricted = [one for one in folders if one.restricted]
    own = random.Random(5).sample(restricted, IN_FOLDERS)
    people = {
        "an owner": (member(tenant, "owner", Role.OWNER, []), folders),
        f"in {IN_FOLDERS} folders": (member(tenant, "erin", Role.EDITOR, own), own),
        "in no folder": (member(tenant, "eve", Role.EDITOR, []), own),
    }
    gc.collect()
    import_module("portal.asgi")  # which loads all that a web process does, and keeps the garbage collector from it
    for who, (client, theirs) in people.items():
        rows = []
        for name, address in addresses(theirs).items():
            times, queries, web, database = measure(client, address, requests)
            at = [times[len(times) // 2], times[int(0.95 * len(times))], times[-1]]
            rows.append(
                [name, *(f"{value:.0f} ms" for value in at), str(queries), f"{web:.0f} ms", f"{database:.0f} ms"]
            )
        load = os.getloadavg()[0]
        print_table(
            f"{who}, load average {load:.1f}",
            ["page", "p50", "p95", "slowest", "queries", "processor: web", "processor: database"],
            rows,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=100_000)
    parser.add_argument("--folders", type=int, default=2000)
    parser.add_argument("--requests", type=int, default=60)
    arguments = parser.parse_args()
    name = connection.creation.create_test_db(verbosity=0)
    try:
        with override_settings(ALLOWED_HOSTS=["testserver"]):
            report(arguments.recordings, arguments.folders, arguments.requests)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()

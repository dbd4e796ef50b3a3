"""How long a claim takes, from 10,000 to 1,000,000 queued transcriptions of 1,000 tenants.

python -m tests.postgres python -m benchmarks.claims [--rows 10000 100000 1000000]
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import time
from collections import deque

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.db import connection, reset_queries  # noqa: E402 - models need the settings
from django.db.models.functions import Now  # noqa: E402
from django.test.utils import CaptureQueriesContext, override_settings  # noqa: E402

from benchmarks.simulation import SETTINGS, customers, recording_of  # noqa: E402
from benchmarks.table import machine, print_table  # noqa: E402
from tenants import scope  # noqa: E402
from tenants.models import Tenant  # noqa: E402
from transcription.models import Lane, Transcription  # noqa: E402
from transcription.queue import claims, fairness, lifecycle  # noqa: E402
from transcription.queue.claims import Claim  # noqa: E402

TENANTS = 1000
WORKERS = 16
CLAIMS = 400


def fill(tenants: list[Tenant], rows: int) -> None:
    """Up to `rows` queued transcriptions in all, copied from one of each tenant inside the database."""
    table = Transcription._meta.db_table
    columns = [
        field.column for field in Transcription._meta.concrete_fields if field.column not in ("id", "created_at")
    ]
    listed = ", ".join(f'"{column}"' for column in columns)
    with scope.across_tenants("a benchmark"):
        missing = rows - Transcription.objects.filter(status="queued").count()
    copies = missing // len(tenants)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO {table} (id, created_at, {listed})
            SELECT gen_random_uuid(), now() - random() * interval '1 day', {listed}
            FROM (SELECT DISTINCT ON (tenant_id) * FROM {table} WHERE status = 'queued') AS one,
            generate_series(1, {copies})"""
        )
        cursor.execute(f"ANALYZE {table}")
    for tenant in tenants:
        fairness.correct(tenant.id, Lane.STANDARD)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def seed(tenants: list[Tenant]) -> None:
    for tenant in tenants:
        with scope.bound(tenant.id):
            row = Transcription(
                tenant=tenant, recording=recording_of(tenant, 600), model="base", audio_seconds=600, lane=Lane.STANDARD
            )
            row.save(force_insert=True)
        fairness.correct(tenant.id, Lane.STANDARD)


def measure() -> tuple[list[float], int]:
    """Milliseconds of each claim, with the other workers' transcriptions running; and the queries of one."""
    running: deque[Claim] = deque()
    times, queries = [], 0
    for number in range(CLAIMS):
        with CaptureQueriesContext(connection) as captured:
            began = time.perf_counter()
            claim = claims.claim(f"bench/{number % WORKERS}.1")
            times.append((time.perf_counter() - began) * 1000)
        assert claim is not None
        queries = len(captured)
        running.append(claim)
        if len(running) == WORKERS:
            oldest = running.popleft()
            with scope.bound(oldest.tenant_id):
                lifecycle.cancel(Transcription.objects.get(id=oldest.transcription_id))
        reset_queries()
    return times, queries


def plans() -> list[str]:
    with scope.across_tenants("a benchmark"):
        order = fairness.in_order(Lane.values, claims._busy_tenants(), ())[: claims.CANDIDATES]
        line = order[0]
        head = Transcription.objects.filter(tenant_id=line.tenant_id, lane=line.lane, status="queued")
        first = head.filter(not_before__lte=Now()).order_by("created_at", "id")[:1]
        running = Transcription.objects.filter(tenant_id=line.tenant_id, status="running").order_by()
        return [query.explain() for query in (order, first, running)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    arguments = parser.parse_args()
    logging.disable(logging.ERROR)
    name = connection.creation.create_test_db(verbosity=0)
    try:
        with override_settings(**SETTINGS):
            report(arguments.rows)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def report(sizes: list[int]) -> None:
    print(f"{machine()}, {connection.vendor} {connection.cursor().connection.info.server_version}")
    tenants = customers(TENANTS)
    seed(tenants)
    rows, medians = [], []
    for size in sizes:
        fill(tenants, size)
        times, queries = measure()
        ordered = sorted(times)
        medians.append(statistics.median(times))
        figures = [f"{medians[-1]:.1f} ms", f"{ordered[int(0.95 * len(ordered))]:.1f} ms", f"{ordered[-1]:.1f} ms"]
        rows.append([f"{size:,}", *figures, str(queries), f"{medians[-1] / medians[0]:.2f}"])
    head = ["queued", "median", "95th percentile", "slowest", "queries", "growth of the median"]
    print_table(f"One claim, {TENANTS} tenants, {WORKERS} running", head, rows)
    for plan in plans():
        print(f"\n{plan}")


if __name__ == "__main__":
    main()

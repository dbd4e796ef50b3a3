"""How long the operations pages take among 10,000 tenants and 1,000,000 transcriptions.

python -m tests.postgres python -m benchmarks.operations [--transcriptions 1000000] [--tenants 10000] [--waiting 10000]

The transcriptions are of 30 days, each with a recording and an attempt; one in a hundred failed. A page is one request
of an operator to Django, with its template; the figure is the median of some, and the slowest. On a machine that does
other things, too, the processor's time and the fastest request say more of the page than the median.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import time
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 - models need the settings
from django.db import connection, models  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks.table import machine, print_table  # noqa: E402
from portal import metrics  # noqa: E402
from portal.ops import figures  # noqa: E402
from tenants import scope  # noqa: E402
from tenants.models import Quota, Tenant, User  # noqa: E402
from transcription import stage_times  # noqa: E402
from transcription.models import (  # noqa: E402
    Attempt,
    Engine,
    Recording,
    Stage,
    StageTime,
    Status,
    TenantSchedule,
    Transcription,
)

REQUESTS = 7
RUNNING = 64
AGE = "random() * interval '30 days'"
FIRST = "overview, the first in a minute"
SCRAPE = "/metrics, the first in a minute"
PAGES = {
    "overview": "/admin/operations/",
    FIRST: "/admin/operations/",
    "queue": "/admin/operations/queue/",
    "failures": "/admin/operations/failures/",
    "engines": "/admin/operations/engines/",
    "latency, 15 minutes": "/admin/operations/latency/?period=quarter",
    "latency, 24 hours": "/admin/operations/latency/?period=day",
    "latency, 7 days": "/admin/operations/latency/?period=week",
    "/metrics": "/metrics",
    SCRAPE: "/metrics",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transcriptions", type=int, default=1_000_000)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--waiting", type=int, default=10_000)
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    began = time.monotonic()
    with scope.across_tenants("a benchmark of the whole installation"):
        fill(options.tenants, options.transcriptions, options.waiting)
    print(f"{machine()}; PostgreSQL; filled in {time.monotonic() - began:.0f} s", flush=True)
    measure()


def fill(tenants: int, transcriptions: int, waiting: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # foreign keys are not looked up a million times
        cursor.execute("SET synchronous_commit = off")
    indexes = drop_indexes("transcription_recording", "transcription_transcription", "transcription_attempt")
    first = Tenant.objects.create(name="Tenant")
    quota = Quota.with_defaults(first)
    quota.save()
    schedule, _made = TenantSchedule.objects.get_or_create(tenant=first)
    multiply(first, tenants, id="gen_random_uuid()", name="'Tenant ' || n")
    for row in (quota, schedule):
        multiply(row, tenants, source="(SELECT id, row_number() OVER () AS n FROM tenants_tenant) t", tenant_id="t.id")
    numbered = "(SELECT array_agg(id) AS ids FROM tenants_tenant) t, generate_series(1, {n}) n"
    of_tenant = "t.ids[1 + floor(random() * array_length(t.ids, 1))::int]"
    recording = Recording.objects.create(
        tenant=first, name="A meeting.wav", source="api", format="wav", bytes=1_000_000, duration_seconds=60
    )
    multiply(
        recording,
        transcriptions,
        source=numbered,
        id="gen_random_uuid()",
        tenant_id=of_tenant,
        created_at=f"now() - {AGE}",
        name="'Recording ' || n || '.wav'",
    )
    done = Transcription.objects.create(
        tenant=first, recording=recording, model="base", status=Status.COMPLETED, audio_seconds=60.0
    )
    multiply(
        done,
        transcriptions,
        source="transcription_recording r",
        id="gen_random_uuid()",
        tenant_id="r.tenant_id",
        recording_id="r.id",
        created_at="r.created_at",
        started_at="r.created_at + random() * interval '60 seconds'",
        finished_at="r.created_at + interval '60 seconds' + random() * interval '120 seconds'",
        lane="floor(random() * 3)::int",
        status="CASE WHEN random() < 0.01 THEN 'failed' ELSE 'completed' END",
        error_code="'engine'",
    )
    limit = "SELECT id FROM transcription_transcription ORDER BY created_at DESC LIMIT"
    with connection.cursor() as cursor:
        change = "UPDATE transcription_transcription SET status = %s, finished_at = NULL WHERE id IN"
        cursor.execute(f"{change} ({limit} {waiting + RUNNING})", [Status.QUEUED])
        cursor.execute(f"{change} ({limit} {RUNNING})", [Status.RUNNING])
    attempt = Attempt.objects.create(tenant=first, transcription=done, fence=1, worker="gpu:0/1.1", outcome="completed")
    multiply(
        attempt,
        transcriptions,
        source="(SELECT * FROM transcription_transcription WHERE status <> 'queued' AND started_at IS NOT NULL) s",
        tenant_id="s.tenant_id",
        transcription_id="s.id",
        worker="'gpu:' || floor(random() * 4)::int || '/' || floor(random() * 16)::int || '.7'",
        started_at="s.started_at",
        finished_at="s.finished_at",
        fence="2",
        stages="""'{"decode": [0, 20, 3, 60, 0.4], "engine": [0, 21, 14, 9, 2.5]}'::jsonb""",
    )
    with connection.cursor() as cursor:
        for definition in indexes:
            cursor.execute(definition)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO transcription_line (tenant_id, lane, waiting, waiting_seconds, due_at) "
            "SELECT tenant_id, lane, count(*), sum(audio_seconds), min(not_before) "
            "FROM transcription_transcription WHERE status = 'queued' GROUP BY tenant_id, lane"
        )
    for number in range(4):
        Engine.objects.create(name=f"gpu:{number}", host="gpu", ready=True, workers_alive=16, workers_wanted=16)
    fill_stage_times()
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("VACUUM ANALYZE")


def fill_stage_times() -> None:
    """A week of histograms, as sweepers leave them: every stage in half of the buckets, in each span of time."""
    now, rows = timezone.now(), []
    spans = [(stage_times.MINUTE, timedelta(minutes=40)), (stage_times.QUARTER, timedelta(hours=26))]
    for span, reach in [*spans, (stage_times.THREE_HOURS, stage_times.KEPT)]:
        for number in range(int(reach.total_seconds() // span)):
            begin = now - timedelta(seconds=span * number)
            for stage in Stage:
                counts = dict.fromkeys(random.sample(stage_times.BOUNDS, len(stage_times.BOUNDS) // 2), 9)
                rows.append(StageTime(begin=begin, span=span, stage=stage, counts=counts, microseconds=9e7))
    StageTime.objects.bulk_create(rows, 5000)


def drop_indexes(*tables: str) -> list[str]:
    """Drops the tables' indexes that no constraint needs, since filling is faster without. Returns their SQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s) "
            "AND indexname NOT IN (SELECT conname FROM pg_constraint)",
            [list(tables)],
        )
        found = cursor.fetchall()
        for name, _definition in found:
            cursor.execute(f'DROP INDEX "{name}"')
    return [definition for _name, definition in found]


def multiply(row: models.Model, count: int, source: str = "generate_series(1, {n}) n", **changes: str) -> None:
    """Copies a row for each row of `source`, with columns changed to SQL expressions."""
    fields: list[Any] = [
        field for field in row._meta.concrete_fields if field.column in changes or not field.primary_key
    ]
    names = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(changes.get(field.column, f'one."{field.column}"') for field in fields)
    table, key = row._meta.db_table, row._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({names}) SELECT {values} FROM "{table}" one, {source.format(n=count)} '
            f'WHERE one."{key}" = %s ON CONFLICT DO NOTHING',
            [row.pk],
        )


def measure() -> None:
    operator = User.objects.create_superuser("operator@example.com", "correct horse")
    client = Client()
    client.force_login(operator)
    with scope.across_tenants("a benchmark of the whole installation"):
        ids = list(Transcription.objects.order_by("-finished_at").values_list("id", flat=True)[2000:2003])
        waiting = Transcription.objects.filter(status=Status.QUEUED).latest("created_at").id
    ways = {"the way of one that is done": ids[0], "of one that waits": waiting}
    pages = PAGES | {name: reverse("admin:operations_transcription", args=[pk]) for name, pk in ways.items()}
    rows = []
    gc.collect()
    gc.freeze()  # as portal.asgi does
    for name, address in pages.items():
        times: list[float] = []
        queries = Queries()
        client.get(address)
        spent = time.process_time()
        for _ in range(REQUESTS):
            if name in (FIRST, SCRAPE):
                figures.day_figures.forget()
                metrics.tenant_figures.forget()
            began = time.perf_counter()
            with connection.execute_wrapper(queries):
                answer = client.get(address)
            times.append(1000 * (time.perf_counter() - began))
            assert answer.status_code == 200, (address, answer.status_code)
        processor, size = 1000 * (time.process_time() - spent) / REQUESTS, len(answer.content) // 1024
        taken = (statistics.median(times), min(times), max(times), processor, 1000 * queries.seconds / REQUESTS)
        figures_of_it = (f"{milliseconds:.0f} ms" for milliseconds in taken)
        rows.append([name, *figures_of_it, f"{queries.count // REQUESTS}", f"{size} KiB"])
    head = [
        "page",
        "median",
        "fastest",
        "slowest",
        "processor of the web process",
        "waiting for queries",
        "queries",
        "size",
    ]
    print_table("Operations pages", head, rows)


class Queries:
    """Counts queries, and how long they are waited for."""

    def __init__(self) -> None:
        self.count, self.seconds = 0, 0.0

    def __call__(self, execute: Any, *arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            self.count += 1
            self.seconds += time.perf_counter() - began


if __name__ == "__main__":
    main()

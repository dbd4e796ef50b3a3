"""What requests cost that wait: `python -m benchmarks.api_waiting`.

One web process, no engine: 500 synchronous requests with recordings of their own wait at once, then all of them are
completed. Counted are threads, connections, memory, and what /health takes meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

WAITING = 500
HEALTH_EVERY_SECONDS = 0.25


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="wp-bench-") as folder:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "portal.settings", "PORTAL_DATA": folder, "WHISPER_MODELS": "base"}
        os.environ |= {"DATABASE_URL": f"sqlite:///{folder}/portal.sqlite3", "REDIS_URL": "", "LOG_LEVEL": "ERROR"}
        import django

        django.setup()
        asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> None:
    import httpx

    from benchmarks.table import machine, print_table
    from tests.webprocess import serving

    secret = await asyncio.to_thread(_prepare)
    with _redis(folder), serving(folder / "portal.sqlite3", folder / "web.log") as web:
        limits = httpx.Limits(max_connections=None)
        headers = {"Authorization": f"Bearer {secret}"}
        async with (
            httpx.AsyncClient(base_url=web.url, headers=headers, limits=limits, timeout=600) as programs,
            httpx.AsyncClient(base_url=web.url, timeout=60) as watcher,
        ):
            await watcher.get("/health")
            rows = [_row("at rest", web, await _health_times(watcher, 4))]
            async with _health_meanwhile(watcher) as times:
                began = time.perf_counter()
                asked = [asyncio.create_task(_ask(programs, number)) for number in range(WAITING)]
                await _until_all_wait(asked)
                arrival = time.perf_counter() - began
            rows.append(_row(f"{WAITING} arriving, {arrival:.0f} s", web, times))
            rows.append(_row(f"{WAITING} waiting", web, await _health_times(watcher, 40)))
            async with _health_meanwhile(watcher) as times:
                began = time.perf_counter()
                completing = asyncio.create_task(asyncio.to_thread(_complete_all))
                answers = await asyncio.gather(*asked)
                rows.append(_row(f"{WAITING} answered, {time.perf_counter() - began:.0f} s", web, times))
                await completing
        assert [answer.status_code for answer in answers] == [200] * WAITING
        assert all(f"text of {number}" in answer.text for number, answer in enumerate(answers))
    print(machine())
    head = ["requests", "threads", "database connections", "resident", "/health, median (longest)"]
    print_table(f"One web process, {WAITING} synchronous requests at once", head, rows)


def _row(title: str, web: Any, times: list[float]) -> list[str]:
    health = f"{1000 * sorted(times)[len(times) // 2]:.0f} ms ({1000 * max(times):.0f} ms)"
    return [title, str(web.threads), str(web.database_connections), f"{web.resident_mib:.0f} MiB", health]


def _prepare() -> str:
    """Tables, and a tenant's key."""
    from django.core.management import call_command

    from tenants import api_keys
    from tenants.models import Quota, Tenant

    call_command("migrate", verbosity=0)
    tenant = Tenant.objects.create(name="Patience")
    quota = Quota.with_defaults(tenant)
    quota.concurrent = quota.requests_per_minute = 10 * WAITING
    quota.save()
    return api_keys.issue(tenant, "benchmark")[1]


@contextmanager
def _redis(folder: Path) -> Iterator[None]:
    import subprocess

    from django.conf import settings

    from portal.supervisor.valkey import server_command
    from transcription import redis

    settings.RUN_DIR.mkdir(parents=True, exist_ok=True)
    server = subprocess.Popen(
        server_command(folder / "valkey", settings.RUN_DIR / "valkey.sock"), stdout=subprocess.DEVNULL
    )
    try:
        while redis.ping() is None:
            time.sleep(0.01)
        yield
    finally:
        server.terminate()
        server.wait(10)


async def _ask(programs: Any, number: int) -> Any:
    """A second of sound that nobody else sends."""
    files = {"file": (f"{number}.wav", _sound(number))}
    return await programs.post("/v1/audio/transcriptions", data={"model": "whisper-1"}, files=files)


def _sound(number: int) -> bytes:
    import io
    import wave

    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes([number % 251, number // 251]) * 16_000)
    return out.getvalue()


async def _until_all_wait(asked: list[asyncio.Task[Any]]) -> None:
    while await asyncio.to_thread(_waiting) < WAITING:
        for early in (one for one in asked if one.done()):
            sys.exit(f"A request did not wait: {early.result().status_code} {early.result().text[:300]}")
        await asyncio.sleep(0.5)


def _waiting() -> int:
    from tenants import scope
    from transcription.models import Transcription

    with scope.across_tenants("a benchmark counts"):
        return Transcription.objects.filter(waiters=1).count()


def _complete_all() -> None:
    """What workers do, without transcript anything."""
    from tenants import scope
    from transcription.models import Recording, Segment
    from transcription.queue import claims, lifecycle, progress

    for _ in range(WAITING):
        claim = claims.claim("benchmark/1")
        assert claim is not None
        with scope.bound(claim.tenant_id):
            name = Recording.objects.values_list("name", flat=True).get(id=claim.recording_id)
            text = f"text of {name.removesuffix('.wav')}"
            segment = Segment(
                tenant_id=claim.tenant_id,
                transcription_id=claim.transcription_id,
                index=0,
                start=0.0,
                end=1.0,
                text=text,
            )
            lifecycle.save_window(claim, [segment], 1.0, "en")
            lifecycle.complete(claim, text, 1.0, [])
    progress.flush()


@asynccontextmanager
async def _health_meanwhile(watcher: Any) -> AsyncIterator[list[float]]:
    """How long /health takes each time, until the block ends, in seconds."""
    times: list[float] = []

    async def watch() -> None:
        while True:
            times.extend(await _health_times(watcher, 1))

    watching = asyncio.create_task(watch())
    try:
        yield times
    finally:
        watching.cancel()


async def _health_times(watcher: Any, count: int) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await watcher.get("/health")
        times.append(time.perf_counter() - began)
        await asyncio.sleep(HEALTH_EVERY_SECONDS)
    return times


if __name__ == "__main__":
    main()

"""/health: whether the portal can transcribe, and what is wrong where it can't."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from django.db import Error as DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from tenants import announcements, database_clock, outbound_hold
from tenants.models import Maintenance
from transcription import processes, redis
from transcription.media import storage_check
from transcription.models import Engine
from transcription.models.sweeper import sweepers_alive
from transcription.options import engines

OK, DEGRADED, DOWN = "ok", "degraded", "down"
LEAST_FREE_GIB = 1
GIB = 1024**3


@dataclass
class Health:
    """`status` is ok, degraded (work goes on, something is amiss) or down (nothing can be transcribed)."""

    status: str = OK
    problems: list[str] = field(default_factory=list)
    engines: list[Engine] = field(default_factory=list)
    maintenance: Maintenance | None = None

    def add(self, status: str, problem: str) -> None:
        """Adds a problem; the worst one decides the status."""
        self.problems.append(problem)
        if self.status != DOWN:
            self.status = status

    @property
    def is_model_loaded(self) -> bool:
        """Whether a model is in memory: one that nobody used lately may not be, which is no problem."""
        return any(engine.ready and engine.models_loaded for engine in self.engines)

    @property
    def is_engine_ready(self) -> bool:
        return any(engine.ready for engine in self.engines)

    @property
    def gpu_memory_used(self) -> str | None:
        """The use of all GPUs together, as in "9783 MiB"; None without one."""
        figures = [engine.gpu_memory_used_mib for engine in self.engines if engine.gpu_memory_used_mib is not None]
        return mebibytes(sum(figures)) if figures else None

    @property
    def memory_used(self) -> str:
        """The memory of the engines' processes and of this one."""
        return mebibytes(sum(engine.memory_used_mib for engine in self.engines) + own_memory_mib())


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    begin = perf_counter()
    found = examine()
    answer: dict[str, Any] = {
        "status": found.status,
        "gpu_memory_used": found.gpu_memory_used,
        "model_loaded": found.is_model_loaded,
        "response_time_ms": max(1, round((perf_counter() - begin) * 1000)),
    }
    if answer["gpu_memory_used"] is None:
        answer["memory_used"] = found.memory_used
    if found.maintenance is not None:
        answer["maintenance"] = {"text": found.maintenance.text_en, "expected_end": found.maintenance.expected_end}
    if found.problems:
        answer["problems"] = found.problems
    response = JsonResponse(answer, status=503 if found.status == DOWN else 200)
    response._has_been_logged = True  # type: ignore[attr-defined] # no log line each second
    return response


def examine() -> Health:
    """Checks what the portal needs: seven queries at most, half a second for S3, and never the engines themselves."""
    found = Health()
    try:
        found.engines = engines.alive()
        ahead = database_clock.checked_skew()
        has_sweeper = sweepers_alive() > 0
        is_held = outbound_hold.is_on()
        found.maintenance = announcements.maintenance()
    except DatabaseError:
        found.add(DOWN, "the database does not answer")
    else:
        _examine_engines(found)
        if not has_sweeper:
            found.add(DEGRADED, "no sweeper is running: webhooks, downloads by URL and repairs wait")
        if is_held:
            found.add(DEGRADED, "restored from a backup: nothing goes out until `manage.py backup resume`")
        if database_clock.is_skewed(ahead):
            found.add(DEGRADED, f"this web process's clock is {database_clock.described(ahead)}")
    if (free := least_free_gib()) < LEAST_FREE_GIB:
        found.add(DEGRADED, f"{free:.1f} GiB are free on this web process's disk: uploads are refused when it is full")
    if storage_check.is_away():
        found.add(DEGRADED, "the object storage does not answer: no uploads are taken, and no sound is played")
    if redis.ping() is None:
        found.add(DEGRADED, "Redis does not answer: work is picked up late, pages are not told")
    return found


def _examine_engines(found: Health) -> None:
    if not found.engines:
        found.add(DOWN, "no engine is running")
    elif not found.is_engine_ready:
        found.add(DOWN, "the engine is loading its model")
    for engine in found.engines:
        if found.is_engine_ready and not engine.ready:
            found.add(DEGRADED, f"{engine.name}: its engine is not ready")
        elif engine.ready and not engine.workers_alive:
            found.add(DEGRADED, f"{engine.name}: no worker is running")
        elif engine.paused_at:
            found.add(DEGRADED, f"{engine.name}: paused by an operator")
        elif engine.ready and engine.problem:
            found.add(DEGRADED, f"{engine.name}: {engine.problem}")
        if engine.clock_problem:
            found.add(DEGRADED, f"{engine.name}: its clock is {engine.clock_problem}")


def least_free_gib() -> float:
    """Returns what is free on the fullest of the disks that uploads are written to."""
    return processes.least_free_bytes() / GIB


def mebibytes(figure: float) -> str:
    return f"{figure:.0f} MiB"


def own_memory_mib() -> float:
    """Returns the peak resident memory of this process."""
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit

"""The engines of this installation, on every machine; each gpuworker reports its engine's status every few seconds."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import Literal

from django.db.models.functions import Now

from tenants import database_clock
from transcription.engine.types import EngineStatus
from transcription.models import Status, Transcription
from transcription.models.engine import LATELY, Engine
from transcription.redaction import redact

REPORT_SECONDS = 2.0
COUNTED = ("tokens", "batches", "batch_windows", "out_of_memory", "loads", "unloads")
"""What has no column of its own of an engine's tally."""

REMEMBERED = timedelta(days=1)
"""For so long an engine that died is missed."""


def report(
    name: str,
    status: EngineStatus | None,
    workers_alive: int,
    workers_wanted: int,
    problem: str = "",
    restarts: int = 0,
) -> bool:
    """Stores a gpuworker's report; `status` is None while its engine does not answer.

    Returns whether an order waits for its engine.
    """
    figures: dict[str, object] = {
        "host": socket.gethostname(),
        "ready": False,
        "problem": problem,
        "workers_alive": workers_alive,
        "workers_wanted": workers_wanted,
        "restarts": restarts,
        "clock_ahead_seconds": database_clock.checked_skew(),
        "updated_at": Now(),
    }
    if status is not None:
        figures |= _figures_of(status)
    known = Engine.objects.filter(name=name)
    if known.filter(model_order__isnull=True).update(**figures):  # the one query of most reports
        return False
    if known.update(**figures):
        return True
    Engine.objects.create(name=name, **figures)
    return False


def _figures_of(status: EngineStatus) -> dict[str, object]:
    """Leaves what an engine runs on as it was until it has found that out, which takes minutes with a GPU."""
    known = {
        "backend": status.backend,
        "device": status.device,
        "rung": status.rung,
        "model_versions": status.versions,
    }
    return (known if status.backend else {}) | {
        "models_loaded": list(status.loaded),
        "ready": status.ready,
        "problem": redact(status.error),
        "memory_used_mib": status.memory_used_mib,
        "gpu_memory_used_mib": status.gpu_memory_used_mib,
        "gpu_memory_total_mib": status.gpu_memory_total_mib,
        "windows_done": status.tally.windows,
        "audio_seconds_done": status.tally.audio_seconds,
        "busy_seconds": status.tally.busy_seconds,
        "tally": {name: getattr(status.tally, name) for name in COUNTED},
        "windows_running": status.windows_under_way,
        "batch_capacity": status.batch_capacity,
        "queued_windows": sum(status.queued_windows.values()),
        "started_at": Now() - timedelta(seconds=status.uptime_seconds),
    }


def alive() -> list[Engine]:
    """Returns the engines that reported lately, ready or not."""
    return list(Engine.objects.filter(LATELY))


def versions_of(model: str) -> set[str]:
    """Returns the versions of a model that engines serve now; see EngineStatus."""
    return {version for engine in alive() if (version := engine.model_versions.get(model, ""))}


def may_serve(model: str) -> bool:
    """Returns False where engines are ready and none of them has the model's weights."""
    ready = [engine for engine in alive() if engine.ready]
    return not ready or any(model in engine.model_versions for engine in ready)


def is_loading_for(row: Transcription) -> bool:
    """Returns whether a running transcription waits for its engine to load the model."""
    if row.status != Status.RUNNING or row.saved_seconds:
        return False
    engine = Engine.objects.filter(LATELY, name=row.worker.partition("/")[0], ready=True).first()
    return engine is not None and row.model in engine.unloaded


def pause(name: str) -> bool:
    """Lets the workers beside an engine finish what they have and claim nothing more. Returns False if it was so."""
    return Engine.objects.filter(name=name, paused_at=None).update(paused_at=Now()) == 1


def resume(name: str) -> bool:
    """Lets the workers beside an engine claim again. Returns False if they did."""
    return Engine.objects.filter(name=name).exclude(paused_at=None).update(paused_at=None) == 1


def is_paused(name: str) -> bool:
    return Engine.objects.filter(name=name).exclude(paused_at=None).exists()


def order(name: str, kind: Literal["load", "unload"], model: str) -> bool:
    """Has a gpuworker's engine load or unload a model, once it has taken an earlier order.

    Returns False where that is so, or it has no such model, or an order waits.
    """
    engine = Engine.objects.filter(LATELY, name=name, ready=True).exclude(backend="remote").first()
    if engine is None or model not in engine.model_versions or (model in engine.models_loaded) == (kind == "load"):
        return False
    return Engine.objects.filter(name=name, model_order__isnull=True).update(model_order=[kind, model]) == 1


def take_order(name: str) -> tuple[Literal["load", "unload"], str] | None:
    """Returns what `order` wants of an engine, once; None for nothing."""
    engine = Engine.objects.filter(name=name).first()
    if engine is None or engine.model_order is None:
        return None
    Engine.objects.filter(name=name).update(model_order=None)
    kind, model = engine.model_order
    return kind, model


def leave(name: str) -> None:
    """Deletes the row of a gpuworker that stops."""
    Engine.objects.filter(name=name).delete()


def forget_the_dead() -> int:
    """Deletes engines that have not reported for a day; returns how many."""
    return Engine.objects.filter(updated_at__lt=Now() - REMEMBERED).delete()[0]

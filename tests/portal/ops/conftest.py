"""An operator in the admin, and engines that report."""

from __future__ import annotations

import pytest
from django.test import Client

from portal import metrics
from portal.ops import figures
from tenants.models import User
from transcription.engine.types import EngineStatus, Tally
from transcription.maintenance import sweeper
from transcription.models import Engine
from transcription.options import engines


@pytest.fixture(autouse=True)
def no_figures_of_earlier() -> None:
    figures.day_figures.forget()
    metrics.tenant_figures.forget()


@pytest.fixture
def olivia(db: None) -> User:
    """An operator of the whole installation, and a member of no tenant."""
    return User.objects.create_superuser("olivia@portal.example", "correct horse")


@pytest.fixture
def operator(olivia: User) -> Client:
    client = Client()
    client.force_login(olivia)
    return client


def condition(ready: bool = True, gpu: float | None = None, loaded: tuple[str, ...] = ("base",)) -> EngineStatus:
    """What an engine says of itself; `gpu` is its memory in use, of 24,564 MiB."""
    return EngineStatus(
        ready=ready,
        backend="torch" if gpu else "ctranslate2",
        device="cuda" if gpu else "cpu",
        models=("base",),
        compute_type="int8",
        pid=1,
        memory_used_mib=500.0,
        gpu_memory_used_mib=gpu,
        gpu_memory_total_mib=24_564.0 if gpu else None,
        tally=Tally(3, 80.0, 4.0, tokens=120, batches=2, batch_windows=3, loads=1),
        batch_capacity=8,
        queued_windows={"interactive": 0, "standard": 2, "bulk": 0},
        uptime_seconds=60.0,
        error="",
        versions={"base": "base 1"} if ready else {},
        loaded=loaded if ready else (),
    )


@pytest.fixture
def engine(db: None) -> Engine:
    """One that is ready, without a GPU, beside a sweeper."""
    sweeper.report()
    engines.report("here:0", condition(), workers_alive=8, workers_wanted=8)
    return Engine.objects.get()

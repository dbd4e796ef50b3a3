"""/health says whether the product can do its job, and what is wrong where it can't."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from tests.portal.ops.conftest import condition
from transcription import redis
from transcription.maintenance import sweeper
from transcription.models import Engine, Sweeper
from transcription.options import engines

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


@pytest.fixture(autouse=True)
def sweeping(db: None) -> None:
    sweeper.report()


def test_all_is_well_without_a_gpu(engine: Engine, client: Client) -> None:
    answer = client.get("/health")
    found = answer.json()
    assert answer.status_code == 200
    assert found["status"] == "ok"
    assert found["model_loaded"] is True
    assert found["gpu_memory_used"] is None
    assert found["memory_used"].endswith(" MiB")
    assert found["response_time_ms"] >= 1
    assert "problems" not in found


def test_it_adds_up_the_memory_of_all_gpus(client: Client) -> None:
    engines.report("a:0", condition(gpu=9000.4), 8, 8)
    engines.report("b:0", condition(gpu=783.0), 8, 8)
    assert client.get("/health").json()["gpu_memory_used"] == "9783 MiB"


def test_without_an_engine_it_is_down(client: Client) -> None:
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["no engine is running"]
    assert answer.json()["model_loaded"] is False


def test_while_the_model_loads_it_is_down(client: Client) -> None:
    engines.report("here:0", condition(ready=False), 0, 8)
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["the engine is loading its model"]


def test_a_model_that_was_unloaded_is_no_problem_and_is_said(client: Client, operator: Client) -> None:
    engines.report("here:0", condition(loaded=()), 8, 8)
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["status"], answer.json()["model_loaded"]) == (200, "ok", False)
    assert "not loaded: base" in operator.get("/admin/operations/").content.decode()


def test_an_engine_that_fell_silent_does_not_count(engine: Engine, client: Client) -> None:
    Engine.objects.update(updated_at=timezone.now() - timedelta(seconds=16))
    assert client.get("/health").status_code == 503


def test_one_engine_of_two_is_enough_but_is_said(engine: Engine, client: Client) -> None:
    engines.report("there:0", None, 8, 8, "it does not answer")
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["problems"] == ["there:0: its engine is not ready"]


def test_a_gpu_that_is_not_used_in_the_best_way_is_said_wherever_operators_look(
    operator: Client, client: Client
) -> None:
    notice = "runs with CTranslate2 on CUDA, not with CUDA graphs. graphs: greedy: 40% (required: at most 1%)"
    engines.report("gpu0", replace(condition(gpu=9000.0), rung="ctranslate2", error=notice), 8, 8)
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["problems"] == [f"gpu0: {notice}"]
    for page in ("/admin/operations/", "/admin/transcription/engine/"):
        shown = operator.get(page).content.decode()
        assert "CTranslate2 on CUDA" in shown
        assert "graphs: greedy: 40%" in shown


def test_without_redis_work_goes_on(engine: Engine, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis, "ping", lambda: None)
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert "Redis" in answer.json()["problems"][0]


def test_a_sweeper_that_fell_silent_is_said(engine: Engine, client: Client) -> None:
    Sweeper.objects.update(updated_at=timezone.now() - timedelta(seconds=31))
    answer = client.get("/health").json()
    assert answer["status"] == "degraded"
    assert answer["problems"] == ["no sweeper is running: webhooks, downloads by URL and repairs wait"]


def test_a_disk_that_is_nearly_full_is_said(engine: Engine, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=400 * 1024**2))
    [problem] = client.get("/health").json()["problems"]
    assert problem.startswith("0.4 GiB are free")


def test_without_the_database_it_is_down(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> list[Engine]:
        raise OperationalError("connection refused")

    monkeypatch.setattr(engines, "alive", away)
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["the database does not answer"]


def test_the_fleet_forgets_who_left_and_who_died_long_ago(engine: Engine) -> None:
    engines.report("dead:0", condition(), 8, 8)
    Engine.objects.filter(name="dead:0").update(updated_at=timezone.now() - timedelta(hours=25))
    assert engines.forget_the_dead() == 1
    engines.leave("here:0")
    assert not Engine.objects.exists()


def test_an_engine_that_starts_again_is_known_by_what_it_ran_on(engine: Engine) -> None:
    """Else no finished text is reused while it tries its GPU, for minutes."""
    before = Engine.objects.get(name=engine.name)
    starting = replace(condition(ready=False), backend="", device="", rung="", versions={})
    engines.report(engine.name, starting, 1, 1)
    now = Engine.objects.get(name=engine.name)
    assert not now.ready
    assert (now.backend, now.device, now.model_versions) == (before.backend, before.device, before.model_versions)
    assert now.model_versions

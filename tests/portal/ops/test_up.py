"""`make run`, from the outside: stacks of their own that are stopped, killed and started again."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from portal.supervisor.demo import SAMPLE
from tests.stack import ROOT, Stack, free_port, start_scripted, stop
from tests.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """With two web processes."""
    stack = start_scripted(tmp_path_factory.mktemp("running"), WEB_CONCURRENCY="2")
    yield stack
    stop(stack)


def family(stack: Stack) -> list[psutil.Process]:
    return list(psutil.Process(stack.process.pid).children(recursive=True))


def called(stack: Stack, word: str) -> list[psutil.Process]:
    """Living processes with that word in their command line."""
    return [one for one in family(stack) if word in " ".join(one.cmdline())]


def is_healthy(stack: Stack) -> bool:
    return bool(httpx.get(f"{stack.url}/health", timeout=30).json()["status"] == "ok")


def test_each_process_registers_itself(running: Stack) -> None:
    def kinds() -> list[str]:
        with closing(sqlite3.connect(running.data / "portal.sqlite3")) as database:
            return [kind for (kind,) in database.execute("SELECT kind FROM transcription_process ORDER BY kind")]

    until(lambda: kinds() == ["gpuworker", "sweeper", "web", "web"])


def test_the_credentials_are_this_accounts_alone(running: Stack) -> None:
    file = running.data / "credentials.txt"
    assert file.stat().st_mode & 0o777 == 0o600
    names = [line.split(":")[0] for line in file.read_text().splitlines()]
    assert names == ["url", "staff_email", "staff_password", "admin_email", "admin_password", "api_key"]


def test_processes_are_small(running: Stack) -> None:
    """A web process stays under 200 MB, a worker under 250 MB."""
    sizes = {one.name(): one.memory_info().rss / 1e6 for one in family(running)}
    assert {one.pid: one.memory_info().rss for one in called(running, "uvicorn") if one.memory_info().rss > 200e6} == {}
    workers = {name: size for name, size in sizes.items() if name.startswith("worker-")}
    assert workers
    assert {name: size for name, size in workers.items() if size > 250} == {}


def test_metrics_count_the_requests_to_both_web_processes(running: Stack) -> None:
    """By the pattern of the address, never by what a client wrote."""
    missing, asked = 'portal_http_requests_total{method="GET",route="none",status="404"}', 40
    before = counted(running).get(missing, 0.0)
    for number in range(asked):
        # A connection each: the kernel shares them out.
        assert httpx.get(f"{running.url}/v1/nothing-{number}/", headers=running.bearer).status_code == 404
    assert httpx.get(f"{running.url}/v1/models/whisper-1", headers=running.bearer).status_code == 200
    found = counted(running)
    assert found[missing] - before == asked
    ours = [name for name in found if "nothing-" in name or "whisper-1" in name]
    assert ours == []
    (model,) = [name for name in found if name.startswith("portal_http_requests_total") and "v1/models/<" in name]
    assert found[model] >= 1
    assert found[model.replace("requests_total", "request_duration_seconds_count").replace(',status="200"', "")] >= 1


def test_what_dashboards_and_alerts_ask_for_is_there(running: Stack) -> None:
    asked = set()
    for file in (ROOT / "docker").glob("*/**/*.*"):
        if file.suffix in {".json", ".yml"}:
            asked |= set(re.findall(r"\b(?:whisper|portal)_[a-z_]+\b(?!:)", file.read_text()))
    text = httpx.get(f"{running.url}/metrics", timeout=30).text
    known = set(re.findall(r"^# HELP ([a-z_]+)", text, re.MULTILINE))
    # The sweeper compares the accounts a while after the start, and nobody made a backup.
    known |= {"portal_account_discrepancies", "portal_account_check_age_seconds", "portal_backup_age_seconds"}
    assert {name for name in asked if re.sub("_(bucket|count|sum)$", "", name) not in known} == set()


@pytest.fixture
def prometheus(running: Stack, tmp_path: Path) -> Iterator[str]:
    """Yields the address of a Prometheus as docker/compose.monitoring.yaml starts it, that asks twice a second."""
    if shutil.which("prometheus") is None:
        pytest.skip("no prometheus is installed")
    given = yaml.safe_load((ROOT / "docker" / "prometheus" / "prometheus.yml").read_text())
    given["global"] = dict.fromkeys(("scrape_interval", "evaluation_interval"), "500ms")
    given["rule_files"] = [str(ROOT / "docker" / "prometheus" / "alerts.yml")]
    given["scrape_configs"][0] |= {"scrape_timeout": "500ms"}
    given["scrape_configs"][0]["static_configs"] = [{"targets": [running.url.removeprefix("http://")]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(given))
    address = f"127.0.0.1:{free_port()}"
    options = [f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address={address}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={tmp_path}/prometheus.yml", *options], stdout=log, stderr=log
        )
    yield f"http://{address}"
    process.kill()
    process.wait()


def test_every_panel_shows_something_and_every_alert_is_understood(running: Stack, prometheus: str) -> None:
    sound = {"file": (SAMPLE.name, SAMPLE.read_bytes())}
    said = httpx.post(
        f"{running.url}/v1/audio/transcriptions", headers=running.bearer, files=sound, data={"model": "whisper-1"}
    )
    assert said.status_code == 200, said.text
    panels = [
        panel
        for file in (ROOT / "docker" / "grafana" / "dashboards").glob("*.json")
        for panel in json.loads(file.read_text())["panels"]
    ]
    queries = {target["expr"] for panel in panels for target in panel["targets"]}
    of_gpus = {query for query in queries if "whisper_gpu_" in query}

    def empty() -> set[str]:
        return {query for query in queries - of_gpus if not asked_of(prometheus, query)}

    until(lambda: not empty())
    for query in of_gpus:
        assert asked_of(prometheus, query) == []
    groups = httpx.get(f"{prometheus}/api/v1/rules").json()["data"]["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}


def asked_of(prometheus: str, query: str) -> list[Any]:
    try:
        answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": query}).json()
    except httpx.TransportError:  # it starts
        return []
    assert answer["status"] == "success", answer
    return list(answer["data"]["result"])


def counted(stack: Stack) -> dict[str, float]:
    """What /metrics has, by name and labels."""
    lines = httpx.get(f"{stack.url}/metrics", timeout=30).text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_of_two_web_processes_one_goes_on_while_the_other_comes_back(running: Stack) -> None:
    before = called(running, "uvicorn")
    assert len(before) == 2
    before[0].kill()
    before[0].wait(PATIENCE_SECONDS)
    for _request in range(20):
        assert httpx.get(f"{running.url}/health", timeout=PATIENCE_SECONDS).status_code == 200
    until(lambda: len(called(running, "uvicorn")) == 2)
    said = (running.data / "up.log").read_text()
    assert re.search(r"^web1? was ended by SIGKILL; it is started again in 0.5 s.", said, re.MULTILINE)


def test_a_dead_engine_comes_back(running: Stack) -> None:
    (engine,) = called(running, "tests.scripted.engine")
    engine.kill()
    engine.wait(PATIENCE_SECONDS)
    until(lambda: called(running, "tests.scripted.engine") and is_healthy(running))
    assert "The engine was ended by SIGKILL; it is started again in 0.5 s." in (running.data / "up.log").read_text()


def test_a_stop_in_order_and_a_kill_after_a_second_start_leave_nobody_behind(running: Stack) -> None:
    """The last test here: its stop is of what all others have met."""
    processes = family(running)
    stop(running)
    assert running.process.returncode == 0
    assert not [process for process in processes if process.is_running()]

    stack = start_scripted(running.data)
    processes = family(stack)
    assert len(processes) >= 13, processes  # valkey, web, sweeper, gpuworker, engine, status reporter, 8 workers
    stack.process.kill()
    stack.process.wait(PATIENCE_SECONDS)
    _gone, alive = psutil.wait_procs(processes, PATIENCE_SECONDS)
    assert not alive

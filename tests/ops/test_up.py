"""`make run`, from the outside: a stack of its own that is stopped, killed and started again."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.stack import Stack, start, stop

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a stack that nobody else looks at, started once."""
    data = tmp_path_factory.mktemp("own")
    stop(start(data))
    return data


def family(stack: Stack) -> list[psutil.Process]:
    return list(psutil.Process(stack.process.pid).children(recursive=True))


def test_the_credentials_are_this_accounts_alone(own: Path) -> None:
    file = own / "credentials.txt"
    assert file.stat().st_mode & 0o777 == 0o600
    names = [line.split(":")[0] for line in file.read_text().splitlines()]
    assert names == ["url", "staff_email", "staff_password", "admin_email", "admin_password", "api_key"]


def test_a_second_start_works_and_a_kill_leaves_nobody_behind(own: Path) -> None:
    stack = start(own)
    processes = family(stack)
    assert len(processes) >= 13, processes  # valkey, web, sweeper, gpuworker, engine, status reporter, 8 workers
    stack.process.kill()
    stack.process.wait(5)
    _gone, alive = psutil.wait_procs(processes, 3)
    assert not alive


def test_a_stop_in_order_leaves_nobody_behind(own: Path) -> None:
    stack = start(own)
    processes = family(stack)
    stop(stack)
    assert stack.process.returncode == 0
    assert not [process for process in processes if process.is_running()]


def test_a_dead_web_process_and_a_dead_engine_come_back(own: Path) -> None:
    stack = start(own)
    try:
        for word in ("uvicorn", "transcription.engine"):
            victim = next(one for one in family(stack) if word in " ".join(one.cmdline()))
            victim.kill()
            victim.wait(5)
            deadline = time.monotonic() + 60
            while (
                not _another(stack, word, victim.pid)
                or httpx.get(f"{stack.url}/health", timeout=30).json()["status"] != "ok"
            ):
                assert time.monotonic() < deadline
                time.sleep(0.2)
        said = (own / "up.log").read_text()
        assert "web was ended by SIGKILL; it is started again in 0.5 s." in said
        assert "The engine was ended by SIGKILL; it is started again in 0.5 s." in said
    finally:
        stop(stack)


def test_of_two_web_processes_one_goes_on_while_the_other_comes_back(own: Path) -> None:
    stack = start(own, WEB_CONCURRENCY="2")
    try:
        webs = [one for one in family(stack) if "uvicorn" in " ".join(one.cmdline())]
        assert len(webs) == 2
        webs[0].kill()
        webs[0].wait(5)
        for _request in range(20):
            assert httpx.get(f"{stack.url}/health", timeout=5).status_code == 200
    finally:
        stop(stack)


def _another(stack: Stack, word: str, pid: int) -> bool:
    return any(word in " ".join(one.cmdline()) and one.pid != pid for one in family(stack))


def test_processes_are_small(own: Path) -> None:
    """The web process stays under 200 MB, a worker under 250 MB."""
    stack = start(own)
    try:
        sizes = {one.name(): one.memory_info().rss / 1e6 for one in family(stack)}
        web = next(one for one in family(stack) if "uvicorn" in " ".join(one.cmdline()))
        assert web.memory_info().rss / 1e6 < 200
        assert {name: size for name, size in sizes.items() if name.startswith("worker-") and size > 250} == {}
    finally:
        stop(stack)

"""`make dev`, from the outside: a changed file is served at once, and the engine goes on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.stack import ROOT, Stack, start_scripted, stop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SOURCES = ("portal", "tenants", "transcription", "templates", "static", "locale", "tests/scripted")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the code that a test may change."""
    for name in SOURCES:
        shutil.copytree(ROOT / name, tmp_path / "code" / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "code" / "tests" / "__init__.py").touch()
    shutil.copy(ROOT / "manage.py", tmp_path / "code")
    return tmp_path / "code"


@pytest.fixture
def developed(checkout: Path, tmp_path: Path) -> Iterator[Stack]:
    data = tmp_path / "data"
    data.mkdir()
    stack = start_scripted(data, checkout, "--reload")
    try:
        yield stack
    finally:
        stop(stack)


def test_changed_code_templates_and_scripts_are_served_while_the_engine_goes_on(
    developed: Stack, checkout: Path, fox: Path
) -> None:
    engine = pid_of(developed, "tests.scripted.engine")

    template = checkout / "templates" / "entrance.html"
    template.write_text(template.read_text().replace("</main>", "<p>Changed</p></main>"))
    wait_until(lambda: "<p>Changed</p>" in get(developed, "/accounts/login/").text)

    with (checkout / "static" / "js" / "page.js").open("a") as script:
        script.write("// changed script\n")
    manifest = developed.data / "static" / "staticfiles.json"
    wait_until(lambda: any("// changed script" in file.read_text() for file in manifest.parent.glob("js/page.*.js")))

    health = checkout / "portal" / "health.py"
    code = health.read_text()
    health.write_text("this is no Python\n")
    wait_until(lambda: "web ended with exit code 1" in (developed.data / "up.log").read_text())
    health.write_text(code)
    wait_until(lambda: get(developed, "/health").status_code == 200)

    with fox.open("rb") as file:
        answer = httpx.post(
            f"{developed.url}/v1/audio/transcriptions",
            headers=developed.bearer,
            data={"model": "whisper-1"},
            files={"file": file},
            timeout=120,
        )
    assert answer.status_code == 200, answer.text
    assert "fox" in answer.json()["text"]
    assert pid_of(developed, "tests.scripted.engine") == engine


def get(stack: Stack, path: str) -> httpx.Response:
    return httpx.get(f"{stack.url}{path}", timeout=30)


def pid_of(stack: Stack, word: str) -> int:
    for one in psutil.Process(stack.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # ended meanwhile
            if word in " ".join(one.cmdline()):
                return int(one.pid)
    raise LookupError(word)


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass  # between two web processes
        assert time.monotonic() < deadline
        time.sleep(0.2)

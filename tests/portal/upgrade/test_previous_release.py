"""Processes of the release before go on while this code upgrades their database, and when it is taken back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.scripted.engine import FOLDER_VARIABLE
from tests.stack import ROOT, Stack, start, stop

BEFORE_THE_FIRST = "647d3ee61be62008f69f9ed10d139efa4781d287"
"""Stands for the release before while no tag does: the first commit with the squashed migrations."""
SOUND = ROOT / "docs" / "samples" / "quick_brown_fox.wav"
SECONDS = 300
GIT = shutil.which("git")
pytestmark = [pytest.mark.slow, pytest.mark.product, pytest.mark.timeout(900)]


def git(*arguments: str) -> str:
    if not GIT:
        return ""
    done = subprocess.run([GIT, "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def previous_release() -> str:
    """Returns the last tag before this commit, or what stands for one; "" without git's history."""
    if git("rev-parse", "--show-toplevel") != str(ROOT):  # a tarball that lies in another repository
        return ""
    tag = git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^")
    return tag or git("rev-parse", "--verify", "--quiet", f"{BEFORE_THE_FIRST}^{{commit}}")


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Stack]:
    """The release before, all of its processes, with the scripted engine, on a database of its own."""
    if not (release := previous_release()):
        pytest.skip("the release before is in git's history, which isn't here: a tarball, or a shallow clone")
    code, data = tmp_path / "code", tmp_path / "data"
    code.mkdir()
    data.mkdir()
    packed = subprocess.run(["git", "-C", ROOT, "archive", release], capture_output=True, check=True).stdout
    subprocess.run(["tar", "x", "-C", code], input=packed, check=True)
    ours = {"DJANGO_SETTINGS_MODULE": "tests.scripted.settings", FOLDER_VARIABLE: str(data / "engine-control")}
    running = start(data, code, **ours)
    yield running
    stop(running)


def manage(stack: Stack, *arguments: str, status: int = 0) -> str:
    """Runs a command of this code on the old one's database, and returns what it says."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    environment |= {"PORTAL_DATA": str(stack.data), "DJANGO_SETTINGS_MODULE": "portal.settings"}
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def send(stack: Stack, name: str) -> str:
    answer = httpx.post(
        f"{stack.url}/api/v1/recordings",
        headers=stack.bearer,
        files={"file": (name, SOUND.read_bytes() + name.encode())},
        timeout=SECONDS,
    )
    assert answer.status_code in (201, 202), answer.text
    return str(answer.json()["transcription"]["id"])


def text_of(stack: Stack, transcription: str) -> str:
    """Waits for a transcript."""
    deadline, address = time.monotonic() + SECONDS, f"{stack.url}/api/v1/transcriptions/{transcription}"
    with httpx.Client(headers=stack.bearer, timeout=SECONDS) as client:
        while time.monotonic() < deadline:
            if (found := client.get(address).json())["status"] in ("completed", "failed"):
                assert found["status"] == "completed", found
                return client.get(f"{address}/segments").text
            time.sleep(0.1)
    raise AssertionError("It is not transcribed.")


def test_recordings_of_the_old_processes_go_through_on_the_new_schema_and_back_on_the_old(old: Stack) -> None:
    with old.engine.held():
        under_way = send(old, "before.wav")
        upgraded = manage(old, "upgrade")
        assert "is not survived by old code" not in upgraded
    after = send(old, "after.wav")
    assert "fox" in text_of(old, under_way)
    assert "fox" in text_of(old, after)
    if "none are to come" in upgraded:
        pass  # soon after a release there is nothing to go back over
    elif git("tag", "--points-at", previous_release()):
        assert "as it was before" in manage(old, "upgrade", "--rollback")
    else:
        assert "noted nothing" in manage(old, "upgrade", "--rollback", status=1)
    assert "fox" in text_of(old, send(old, "back.wav"))
    log = (old.data / "up.log").read_text()
    # A round of the sweeper may find SQLite locked by the migrations; the next one does its work.
    assert not re.findall(r".* (?:ERROR|CRITICAL) (?!.*Sweeping failed: ).*", log)

"""Each curl of the documentation, as pasted: it is answered, and not with an error.

Here, since this folder's tests share the product that it is sent to. tests/test_documented_commands.py has all other
commands.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import run
from tests.stack import Stack
from tests.test_docs import PAGES, ROOT
from tests.test_documented_commands import BLOCK
from transcription.media import find_ffmpeg

SAMPLE = ROOT / "docs" / "samples" / "quick_brown_fox.wav"
SECONDS = 120
PAGES_WITH_CURL = [page for page in PAGES if any("curl " in block for block in BLOCK.findall(page.read_text()))]
NOT_RUN = {"/api/v1/uploads/multipart": "it takes a bucket: tests/transcription/uploads/test_multipart.py has it"}
TENANT = """
from tenants import api_keys
from tenants.models import Member, Quota, Tenant, User
tenant = Tenant.objects.create(name="Documented")
Quota.with_defaults(tenant).save()
owner = User.objects.create_user("documented@acme.example", "a horse that two may ride")
Member.objects.create(tenant=tenant, user=owner, role="owner")
print(api_keys.issue(tenant, "Documented", owner, "admin")[1])
"""
BEFORE = """set -euo pipefail
curl() { command curl --fail-with-body --silent --show-error "$@"; }
websocat() { [[ $1 =~ ^ws://.*ticket=[^=]{20,}$ ]]; }  # it is no part of this; tests of sockets open the address
jq() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1].lstrip(".")])' "$2"; }
"""
pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl is installed")


class Portal:
    """The running product, and what the documentation's examples speak of."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.url, self.folder = stack.url, folder
        self.key = run(stack, TENANT).split()[-1]
        bearer = {"Authorization": f"Bearer {self.key}"}
        self.client = httpx.Client(base_url=f"{stack.url}/api/v1", headers=bearer, timeout=SECONDS)

    def post(self, path: str, **sent: object) -> dict[str, object]:
        answer = self.client.post(path, **sent)  # type: ignore[arg-type]
        assert answer.is_success, answer.text
        found: dict[str, object] = answer.json()
        return found

    def add(self, file: Path, **options: str) -> tuple[str, str]:
        """Returns the ids of a recording and its transcription."""
        found = self.post("/recordings", files={"file": (file.name, file.read_bytes())}, data=options)
        return str(found["id"]), str(found["transcription"]["id"])  # type: ignore[index]

    def wait_for(self, path: str, state: str) -> None:
        deadline = time.monotonic() + SECONDS
        answer: dict[str, object] = {}
        while time.monotonic() < deadline and answer.get("status") != state:
            answer = self.client.get(path).json()
            assert answer.get("status") not in ("failed", None), answer
            time.sleep(0.1)
        assert answer.get("status") == state


@pytest.fixture(scope="module")
def portal(scripted_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Portal:
    return Portal(scripted_stack, tmp_path_factory.mktemp("documented"))


def speech(folder: Path, name: str, times: int, *more: str) -> Path:
    """Writes a file that has the fox over and over."""
    command = [find_ffmpeg(), "-loglevel", "error", "-y", "-stream_loop", str(times), "-i", str(SAMPLE), *more]
    subprocess.run([*command, folder / name], check=True)
    return folder / name


PICTURE = ["-f", "lavfi", "-i", "color=white:s=320x180:r=5:d=6", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-shortest"]


@pytest.fixture(scope="module")
def given(portal: Portal) -> dict[str, dict[str, str]]:
    """What stands in the shell when a page's commands are pasted, by page."""
    talk, talk_text = portal.add(speech(portal.folder, "talk.wav", 20), speakers="2")
    long, long_text = portal.add(speech(portal.folder, "long.wav", 60), speakers="2")
    _moving, moving_text = portal.add(speech(portal.folder, "film.mp4", 2, *PICTURE), language="de")
    _struck, struck_text = portal.add(speech(portal.folder, "struck.wav", 22))
    _cancelled, cancelled_text = portal.add(speech(portal.folder, "cancelled.wav", 21))
    portal.client.post(f"/transcriptions/{cancelled_text}/cancel")
    for one in (talk_text, long_text, moving_text, struck_text):
        portal.wait_for(f"/transcriptions/{one}", "completed")
    translation = str(portal.post(f"/transcriptions/{moving_text}/translation")["id"])
    video = str(portal.post(f"/transcriptions/{moving_text}/videos", json={"kind": "burnt"})["id"])
    portal.wait_for(f"/transcriptions/{translation}", "completed")
    portal.wait_for(f"/videos/{video}", "ready")
    portal.post("/folders", json={"name": "Calls"})
    return {
        "api.md": {"ID": cancelled_text},
        "audit.md": {"RECORDING": talk},
        "redaction.md": {"ID": struck_text},
        "sharing.md": {"ID": long},
        "subtitles.md": {"ID": moving_text, "TRANSLATION": translation, "VIDEO": video},
        "transcripts.md": {"ID": talk_text},
    }


@pytest.mark.parametrize("page", PAGES_WITH_CURL, ids=lambda page: page.name)
def test_a_page_s_requests_are_answered_as_pasted(page: Path, portal: Portal, given: dict[str, dict[str, str]]) -> None:
    blocks = [block for block in BLOCK.findall(page.read_text()) if not any(path in block for path in NOT_RUN)]
    key_id = portal.client.get("/keys?limit=1").json()["results"][0]["id"]
    lines = "\n".join(block for block in blocks if "curl " in block).splitlines()
    script = BEFORE + "\n".join(line for line in lines if "KEY=wp_…" not in line)
    for shown, real in {
        "http://127.0.0.1:8000": portal.url,
        "https://example.com/talk.mp3": f"{portal.url}/static/talk.mp3",
        "https://example.com/hooks": "https://127.0.0.1:8009/hooks",
        "5d2c7b6f-…": key_id,
        "docs/samples/": f"{SAMPLE.parent}/",
    }.items():
        script = script.replace(shown, real)
    shutil.copy(SAMPLE, portal.folder / "meeting.mp3")
    ours = {"PORTAL": portal.url, "PORTAL_URL": portal.url, "KEY": portal.key, **given.get(page.name, {})}
    done = subprocess.run(
        ["bash", "-c", script], cwd=portal.folder, env=os.environ | ours, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{script}"
    for hook in portal.client.get("/webhooks").json()["results"]:
        portal.client.delete(f"/webhooks/{hook['id']}")


def test_every_request_that_is_not_run_is_there() -> None:
    text = "".join(page.read_text() for page in PAGES_WITH_CURL)
    assert not [path for path in NOT_RUN if path not in text]

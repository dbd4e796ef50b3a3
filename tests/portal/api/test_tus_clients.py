"""tuspy and tus-js-client send many files in small pieces to a running web process, and need no retry."""

from __future__ import annotations

import json
import subprocess
import wave
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from tusclient.client import TusClient

from tenants import scope
from tenants.models import Quota, Tenant
from tests.conftest import Character
from tests.portal.api import node_sdk
from tests.webprocess import WebProcess
from transcription.models import Recording

pytestmark = pytest.mark.slow
FILES, AT_ONCE, PIECE_BYTES = 40, 4, 700
PIECES = 3
UPLOADS = "/api/v1/uploads"


@pytest.fixture
def clip() -> bytes:
    """An eighth of a second of silence in three pieces."""
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(2000))
    return file.getvalue()


@pytest.fixture
def busy(web: WebProcess, alice: Character) -> WebProcess:
    """Alice's tenant may send as many requests as she likes."""
    Quota.objects.filter(tenant=alice.tenant).update(requests_per_minute=1_000_000)
    return web


def recordings(tenant: Tenant) -> int:
    with scope.bound(tenant.id):
        return Recording.objects.count()


def test_tuspy_sends_many_files_without_a_retry(
    busy: WebProcess, alice: Character, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[str] = []
    send = requests.Session.send

    def noted(session: Any, request: Any, **options: Any) -> Any:
        answer = send(session, request, **options)
        answers.append(f"{request.method} {answer.status_code}")
        return answer

    monkeypatch.setattr(requests.Session, "send", noted)
    client = TusClient(f"{busy.url}{UPLOADS}", headers=alice.bearer)

    def upload(_number: int) -> None:
        uploader = client.uploader(file_stream=BytesIO(clip), chunk_size=PIECE_BYTES, metadata={"filename": "a.wav"})
        uploader.upload()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(upload, range(FILES)))
    assert Counter(answers) == {"POST 201": FILES, "PATCH 204": FILES * PIECES}
    assert recordings(alice.tenant) == FILES


def test_tus_js_client_sends_many_files_without_a_retry(
    busy: WebProcess, alice: Character, clip: bytes, tmp_path: Path
) -> None:
    node_sdk.install()
    file = tmp_path / "a.wav"
    file.write_bytes(clip)
    command = [str(node_sdk.node()), "tus.mjs", f"{busy.url}{UPLOADS}/", alice.secret, str(file)]
    done = subprocess.run(
        [*command, str(FILES), str(PIECE_BYTES)],
        cwd=node_sdk.FOLDER,
        timeout=120,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"POST 201": FILES, "PATCH 204": FILES * PIECES}
    assert recordings(alice.tenant) == FILES

"""Requests that come twice, over HTTP and with the real engine: nothing is done or charged twice."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeMedia
from tests.stack import Stack


@pytest.fixture
def fresh(make_media: MakeMedia, fox: Path) -> Path:
    """Speech that this stack has not heard before."""
    comment = uuid.uuid4().hex
    return make_media("speech.mp3", "-i", str(fox), "-metadata", f"comment={comment}")


def transcribe(http: httpx.Client, path: Path, **headers: str) -> httpx.Response:
    files = {"file": (path.name, path.read_bytes())}
    return http.post("/v1/audio/transcriptions", data={"model": "whisper-1"}, files=files, headers=headers)


def create(http: httpx.Client, path: Path, key: str, **fields: str) -> httpx.Response:
    files = {"file": (path.name, path.read_bytes())}
    return http.post("/api/v1/recordings", data=fields, files=files, headers={"Idempotency-Key": key})


def recordings(http: httpx.Client, path: Path) -> list[dict[str, Any]]:
    """Those of this file: their sizes are equal, which in this test means the file is."""
    rows = http.get("/api/v1/recordings", params={"limit": 50}).json()["results"]
    return [row for row in rows if row["bytes"] == path.stat().st_size and row["name"] == path.name]


def test_the_second_time_the_text_is_there_at_once(http: httpx.Client, fresh: Path) -> None:
    first, second = transcribe(http, fresh), transcribe(http, fresh)
    assert "fox" in first.json()["text"]
    assert second.json() == first.json()
    assert ("x-reused" in first.headers, second.headers["x-reused"]) == (False, "true")
    newest = http.get("/api/v1/recordings", params={"limit": 1}).json()["results"][0]
    assert newest["transcription"]["reused"] is True
    assert newest["transcription"]["processing_seconds"] == 0


def test_twenty_impatient_programs_cause_one_transcription(stack: Stack, make_media: MakeMedia, fox: Path) -> None:
    name = f"impatient {uuid.uuid4().hex}.mp3"
    speech = make_media(name, "-stream_loop", "4", "-i", str(fox), "-metadata", f"comment={name}")

    def ask(streamed: bool) -> str:
        with httpx.Client(base_url=stack.url, headers=stack.bearer, timeout=120) as http:
            if not streamed:
                return str(transcribe(http, speech).json()["text"])
            data = {"model": "whisper-1", "stream": "true"}
            answer = http.post("/v1/audio/transcriptions", data=data, files={"file": (name, speech.read_bytes())})
            events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
            return str(events[-1]["text"])

    with ThreadPoolExecutor(20) as pool:
        texts = set(pool.map(ask, [number % 5 == 0 for number in range(20)]))
    assert len(texts) == 1
    with httpx.Client(base_url=stack.url, headers=stack.bearer) as http:
        found = [row for row in recordings(http, speech) if not row["transcription"]["reused"]]
    assert len(found) == 1


def test_a_repeated_request_creates_nothing(http: httpx.Client, fresh: Path, fox: Path) -> None:
    key = uuid.uuid4().hex
    first, second = create(http, fresh, key), create(http, fresh, key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json()["id"] == first.json()["id"]
    assert ("idempotency-replayed" in first.headers, second.headers["idempotency-replayed"]) == (False, "true")
    changed = create(http, fresh, key, language="en")
    assert (changed.status_code, changed.json()["code"]) == (422, "idempotency_key_reused")
    assert create(http, fox, key).status_code == 422
    assert create(http, fox, "two words").status_code == 400


def test_openai_s_endpoints_know_the_key_too(http: httpx.Client, fresh: Path, fox: Path) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first, second = transcribe(http, fresh, **key), transcribe(http, fresh, **key)
    assert second.json() == first.json()
    assert second.headers["idempotency-replayed"] == "true"
    changed = transcribe(http, fox, **key)
    assert (changed.status_code, changed.json()["error"]["code"]) == (422, "idempotency_key_reused")
    invalid = transcribe(http, fox, **{"Idempotency-Key": "x" * 256})
    assert (invalid.status_code, invalid.json()["error"]["param"]) == (400, "Idempotency-Key")

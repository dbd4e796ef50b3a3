"""Recordings for programs: the running product, over HTTP."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeMedia


def create(http: httpx.Client, path: Path, **fields: str) -> dict[str, Any]:
    with path.open("rb") as file:
        answer = http.post("/api/v1/recordings", data=fields, files={"file": (path.name, file)})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(answer.json()["id"])
    return dict(answer.json())


def completed(http: httpx.Client, recording: str, patience: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        body = http.get(f"/api/v1/recordings/{recording}").json()
        if body["transcription"]["status"] not in ("queued", "running"):
            return dict(body)
        time.sleep(0.1)
    raise AssertionError(f"{recording} did not end")


def test_a_recording_becomes_a_transcript_in_every_format(http: httpx.Client, fox: Path) -> None:
    made = create(http, fox, language="en")
    body = completed(http, made["id"])
    assert body["transcription"]["status"] == "completed"
    links = body["transcription"]["transcripts"]
    assert set(links) == {"txt", "srt", "vtt", "json", "tsv", "docx"}
    assert http.get(links.pop("docx")).content.startswith(b"PK")
    for link in links.values():
        answer = http.get(link)
        assert answer.status_code == 200
        assert "fox" in answer.text


def test_words_and_our_other_options_are_asked_for_by_form_fields(http: httpx.Client, fox: Path) -> None:
    made = create(http, fox, word_timestamps="true", mode="exact", hotwords="fox, dog", beam_size="3")
    body = completed(http, made["id"])["transcription"]
    asked = {"word_timestamps": True, "mode": "exact", "hotwords": "fox, dog", "beam_size": 3}
    assert {name: body[name] for name in asked} == asked
    assert body["status"] == "completed"
    for segment in http.get(body["transcripts"]["json"]).json()["segments"]:
        assert "".join(word["word"] for word in segment["words"]) == segment["text"]


def test_recordings_are_listed_newest_first_and_paged(http: httpx.Client, fox: Path) -> None:
    made = [create(http, fox)["id"] for _ in range(3)]
    first = http.get("/api/v1/recordings", params={"limit": 2}).json()
    second = http.get(first["next"]).json()
    listed = [row["id"] for row in first["results"] + second["results"]]
    assert listed[:3] == made[::-1]


def test_a_deleted_recording_is_gone(http: httpx.Client, fox: Path) -> None:
    made = create(http, fox)["id"]
    assert http.delete(f"/api/v1/recordings/{made}").status_code == 204
    assert http.get(f"/api/v1/recordings/{made}").status_code == 404
    assert http.delete(f"/api/v1/recordings/{made}").status_code == 404


def test_a_transcript_that_is_not_there_yet_is_a_conflict(http: httpx.Client, make_media: MakeMedia) -> None:
    made = create(http, make_media.tone("minutes.mp3", 300))["id"]
    answer = http.get(f"/api/v1/recordings/{made}/transcript.txt")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_completed")
    http.delete(f"/api/v1/recordings/{made}")


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("song.mp3", b"no song " * 100, 422, "not_media"),
        ("song.mp3", b"", 400, "empty_file"),
    ],
)
def test_refusals_are_problems(http: httpx.Client, name: str, content: bytes, status: int, code: str) -> None:
    answer = http.post("/api/v1/recordings", files={"file": (name, content)})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert answer.json()["detail"]


def test_without_a_key_there_is_nothing(http: httpx.Client) -> None:
    answer = httpx.get(f"{http.base_url}/api/v1/recordings")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_an_unknown_id_is_not_found(http: httpx.Client) -> None:
    answer = http.get("/api/v1/recordings/00000000-0000-0000-0000-000000000000")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

"""A part of a recording is heard again by the running product, with the real engine, and both texts are shown."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import MakeMedia

pytestmark = pytest.mark.slow


@pytest.fixture
def talk(speech: Path, make_media: MakeMedia) -> Path:
    """English, then as much Polish."""
    inputs = [part for name in ("en/counting.wav", "pl/pangrama.wav") for part in ("-i", str(speech / name))]
    graph = "[0]aresample=16000,apad=whole_dur=8[a];[1]aresample=16000,apad=whole_dur=8[b];[a][b]concat=n=2:v=0:a=1"
    return make_media("two languages.wav", *inputs, "-filter_complex", graph)


def when(http: httpx.Client, address: str, status: str = "completed") -> Any:
    end = time.monotonic() + 100
    while (body := http.get(address).raise_for_status().json())["status"] != status:
        assert body["status"] in ("queued", "running"), body
        assert time.monotonic() < end, body
        time.sleep(0.3)
    return body


def test_lines_are_heard_again_in_another_language_and_both_texts_stand_there_until_one_is_taken(
    http: httpx.Client, talk: Path
) -> None:
    options = {"language": "en", "beam_size": "1"}
    with talk.open("rb") as file:
        made = http.post("/api/v1/recordings", files={"file": file}, data=options).raise_for_status().json()
    address = f"/api/v1/transcriptions/{made['transcription']['id']}"
    when(http, address)
    before = http.get(f"{address}/segments").raise_for_status().json()["segments"]
    first = next(line["index"] for line in before if line["start"] >= 7.0)
    lines = {"first": first, "last": before[-1]["index"]}
    asked = http.post(
        f"{address}/rehearings",
        json=lines | {"language": "pl", "beam_size": 5},
        headers={"Idempotency-Key": str(uuid4())},
    )
    assert asked.status_code == 201, asked.text
    heard = when(http, asked.headers["location"])
    assert heard["start"] >= 7.0
    assert (heard["language"], heard["beam_size"]) == ("pl", 5)
    assert heard["text_now"].split() == " ".join(line["text"].strip() for line in before[first:]).split()
    assert heard["text"]
    assert heard["text"] != heard["text_now"]
    assert http.get(f"{address}/segments").json()["segments"] == before, "nothing changes until it is taken"
    taken = http.post(f"{asked.headers['location']}/take", headers={"If-Match": heard["etag"]}).raise_for_status()
    after = taken.json()["segments"]
    assert [line["text"] for line in after[:first]] == [line["text"] for line in before[:first]]
    assert "\n".join(line["text"].strip() for line in after[first:]) == heard["text"]

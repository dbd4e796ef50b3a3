"""The last window of a recording is padded with silence, into which Whisper's timestamps run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeMedia
from tests.stack import Stack

SECONDS = 1.5


@pytest.fixture(scope="module")
def cut_off(make_media: MakeMedia, fox: Path) -> Path:
    """ "The quick brown fox j", which base hears to its end half a second after the sound has ended."""
    return make_media("cut.wav", "-i", str(fox), "-t", str(SECONDS))


def ask(stack: Stack, file: Path, **fields: Any) -> httpx.Response:
    wanted = {"model": "whisper-1", "response_format": "verbose_json"} | fields
    url = f"{stack.url}/v1/audio/transcriptions"
    answer = httpx.post(url, headers=stack.bearer, data=wanted, files={"file": file.open("rb")}, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize("granularity", ["segment", "word"])
def test_nothing_ends_after_the_recording(stack: Stack, cut_off: Path, mode: str, granularity: str) -> None:
    both = ["segment", granularity]
    body = ask(stack, cut_off, mode=mode, **{"timestamp_granularities[]": both}).json()
    assert body["duration"] == SECONDS
    assert "fox" in body["text"]
    for one in body["segments"]:
        assert 0 <= one["start"] < one["end"] <= SECONDS
    for word in body.get("words", ()):
        assert 0 <= word["start"] <= word["end"] <= SECONDS


def test_a_stream_of_subtitles_ends_with_the_recording(stack: Stack, cut_off: Path) -> None:
    answer = ask(stack, cut_off, mode="exact", response_format="srt", stream="true", prompt="Once more:")
    assert "-->" in answer.text
    ends = [line.partition(" --> ")[2][:12] for line in answer.text.split("\\n") if " --> " in line]
    assert all(end <= "00:00:01,500" for end in ends)

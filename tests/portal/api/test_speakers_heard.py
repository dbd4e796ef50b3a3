"""Two voices are told apart by the running product, with the real engine and the real networks."""

from __future__ import annotations

import base64
import time
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.conftest import MakeMedia

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("voice_networks")]
TURNS = ("en/quick_brown_fox.wav", "pl/pangrama.wav", "en/counting.wav", "pl/pangrama.wav")


@pytest.fixture
def talk(speech: Path, make_media: MakeMedia) -> Path:
    """An Englishman and a Pole take turns, with half a second between them."""
    inputs = [part for name in TURNS for part in ("-i", str(speech / name))]
    padded = ";".join(f"[{number}]aresample=16000,apad=pad_dur=0.5[p{number}]" for number in range(len(TURNS)))
    joined = "".join(f"[p{number}]" for number in range(len(TURNS)))
    return make_media("talk.wav", *inputs, "-filter_complex", f"{padded};{joined}concat=n={len(TURNS)}:v=0:a=1")


def turns_of(segments: Any) -> list[str]:
    return [speaker for speaker, _segments in groupby(one.speaker for one in segments)]


def test_two_voices_take_turns(sdk: openai.OpenAI, talk: Path) -> None:
    options: Any = {"response_format": "diarized_json", "chunking_strategy": "auto"}
    answer = sdk.audio.transcriptions.create(model="gpt-4o-transcribe-diarize", file=talk, **options)
    assert turns_of(answer.segments) == ["A", "B", "A", "B"]
    spoken = "".join(one.text for one in answer.segments if one.speaker == "A").lower()
    assert "fox" in spoken


def test_a_voice_that_the_request_brings_names_its_speaker(sdk: openai.OpenAI, talk: Path, speech: Path) -> None:
    voice = base64.b64encode((speech / "en/counting.wav").read_bytes()).decode()
    options: Any = {
        "response_format": "diarized_json",
        "chunking_strategy": "auto",
        "known_speaker_names": ["Renard"],
        "known_speaker_references": [f"data:audio/wav;base64,{voice}"],
    }
    answer = sdk.audio.transcriptions.create(model="gpt-4o-transcribe-diarize", file=talk, **options)
    named, other, *rest = turns_of(answer.segments)
    assert named == "Renard" != other
    assert rest == [named, other]


def test_each_channel_of_a_call_is_a_speaker_who_is_named_once(http: httpx.Client, call: Path) -> None:
    with call.open("rb") as file:
        created = http.post("/api/v1/recordings", files={"file": file}, data={"speakers": "auto", "language": "en"})
    row = created.json()["transcription"]
    address = f"/api/v1/transcriptions/{row['id']}"
    while (row := http.get(address).json())["status"] not in ("completed", "failed"):
        time.sleep(0.3)
    assert (row["status"], row["warnings"]) == ("completed", [])
    named = http.patch(f"{address}/speakers/0", json={"name": "Renard"}, headers={"If-Match": "*"})
    assert [one["label"] for one in named.json()["results"]] == ["Renard", "Speaker 2"]
    lines = http.get(f"{address}/transcript.txt").text.splitlines()
    assert "fox" in "".join(line for line in lines if line.startswith("Renard: ")).lower()
    assert any(line.startswith("Speaker 2: ") for line in lines)

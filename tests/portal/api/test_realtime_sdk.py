"""OpenAI's own SDK opens realtime transcription sessions of the running product, with the real engine."""

from __future__ import annotations

import base64
import json
import math
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
from websockets.sync.client import connect

from tests.stack import Stack
from transcription.media import find_ffmpeg

TRANSCRIPTION = "conversation.item.input_audio_transcription"


def sound(path: Path, *format: str) -> bytes:
    """The file in a format that realtime sessions take, with 1.5 s of silence after it."""
    command = [find_ffmpeg(), "-v", "error", "-i", str(path), "-af", "apad=pad_dur=1.5", "-ac", "1", *format, "pipe:1"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def pieces(data: bytes, size: int = 9600) -> Iterator[str]:
    for at in range(0, len(data), size):
        yield base64.b64encode(data[at : at + size]).decode()


def says_fox(text: str) -> bool:
    return "quick brown fox" in text.lower() and "lazy dog" in text.lower()


def test_the_sdk_hears_turns_deltas_and_the_whole_text(sdk: openai.OpenAI, http: httpx.Client, fox: Path) -> None:
    heard: list[Any] = []
    used = http.get("/api/v1/usage").json()["audio_seconds"]["used"]
    with sdk.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        created = connection.recv()
        connection.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "transcription": {"model": "whisper-1", "language": "en"},
                        "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
                    }
                },
            }
        )
        updated = connection.recv()
        for piece in pieces(sound(fox, "-ar", "24000", "-f", "s16le")):
            connection.input_audio_buffer.append(audio=piece)
        for event in connection:
            heard.append(event)
            if event.type == f"{TRANSCRIPTION}.completed":
                break
    assert (created.type, updated.type) == ("session.created", "session.updated")
    assert updated.session.audio.input.transcription.language == "en"  # type: ignore[union-attr]
    kinds = [event.type for event in heard]
    assert [kind for kind in kinds if kind.startswith(("input_audio", "conversation.item.added"))] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
    ]
    whole = heard[-1]
    assert says_fox(whole.transcript)
    assert whole.usage.type == "duration"
    assert 2 <= whole.usage.seconds <= 4.5
    assert http.get("/api/v1/usage").json()["audio_seconds"]["used"] == used + math.ceil(whole.usage.seconds)
    assert "".join(event.delta for event in heard if event.type == f"{TRANSCRIPTION}.delta").strip() == whole.transcript
    assert {event.item_id for event in heard if hasattr(event, "item_id")} == {whole.item_id}


def test_a_browser_names_its_key_as_a_subprotocol_and_commits_a_phone_call_itself(stack: Stack, fox: Path) -> None:
    address = f"{stack.url.replace('http', 'ws', 1)}/v1/realtime?intent=transcription"
    with connect(address, subprotocols=["realtime", f"openai-insecure-api-key.{stack.api_key}"]) as socket:  # type: ignore[list-item]
        input = {"format": {"type": "audio/pcmu"}, "turn_detection": None}
        socket.send(
            json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": {"input": input}}})
        )
        for piece in pieces(sound(fox, "-ar", "8000", "-f", "mulaw")):
            socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": piece}))
        socket.send(json.dumps({"type": "input_audio_buffer.commit"}))
        while (event := json.loads(socket.recv(60)))["type"] != f"{TRANSCRIPTION}.completed":
            assert event["type"] != "error", event
        assert socket.subprotocol == "realtime"
    assert says_fox(event["transcript"])

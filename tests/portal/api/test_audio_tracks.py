"""Audio tracks and warnings for programs: chosen by number, told in every answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from django.test import Client

from tenants import scope
from tests.conftest import Character, MakeMedia
from tests.portal.api.test_openai_sdk import says_fox
from tests.portal.web.conftest import make_transcription
from tests.stack import Stack
from tests.webprocess import WebProcess
from transcription import exports
from transcription.models import Recording, Transcription

TRACKS = [
    {"codec": "opus", "channels": 1, "language": "", "title": "", "is_default": True},
    {"codec": "opus", "channels": 2, "language": "ger", "title": "Commentary", "is_default": False},
]
WARNINGS = ["incomplete", "other_tracks", "of no concern to anybody"]


@pytest.fixture(scope="session")
def hum_and_fox(make_media: MakeMedia, fox: Path) -> Path:
    """Track 1 hums, track 2 speaks."""
    hum = ["-f", "lavfi", "-i", "sine=frequency=120:duration=2.8,volume=0.05"]
    return make_media("two.mka", *hum, "-i", str(fox), "-map", "0", "-map", "1", "-c:a", "libopus")


@pytest.fixture
def row(alice: Character) -> Transcription:
    """Of a file with two tracks and less sound than it says."""
    row = make_transcription(alice.tenant, warnings=WARNINGS, text="Good morning.", audio_track=2)
    with scope.bound(alice.tenant.id):
        Recording.objects.update(audio_tracks=TRACKS, audio_track=1)
    return row


def ask(stack: Stack, file: Path, **fields: Any) -> httpx.Response:
    url = f"{stack.url}/v1/audio/transcriptions"
    data = {"model": "whisper-1", **fields}
    return httpx.post(url, headers=stack.bearer, data=data, files={"file": file.open("rb")}, timeout=60)


def test_a_named_track_is_transcribed_and_the_answer_says_which(stack: Stack, hum_and_fox: Path) -> None:
    spoken = ask(stack, hum_and_fox, audio_track="2", response_format="verbose_json")
    assert says_fox(spoken.json()["text"]), spoken.text
    assert (spoken.headers["X-Audio-Track"], spoken.headers["X-Warnings"]) == ("2", "other_tracks")
    body = spoken.json()
    assert (body["audio_track"], len(body["audio_tracks"])) == (2, 2)
    assert [warned["code"] for warned in body["warnings"]] == ["other_tracks"]
    text = ask(stack, hum_and_fox, audio_track="2", response_format="text")
    assert (text.headers["X-Reused"], text.headers["X-Warnings"]) == ("true", "other_tracks")
    stream = ask(stack, hum_and_fox, audio_track="2", stream="true").text
    done = json.loads(stream.strip().splitlines()[-1].removeprefix("data: "))
    assert done["warnings"] == body["warnings"]


def test_openai_says_how_many_tracks_there_are(web: WebProcess, alice: Character, hum_and_fox: Path) -> None:
    sdk = openai.OpenAI(base_url=f"{web.url}/v1", api_key=alice.secret, max_retries=0)
    for track, says in (("3", "2 audio tracks"), ("0", "from 1")):
        with pytest.raises(openai.BadRequestError, match=says) as refused:
            sdk.audio.transcriptions.create(model="whisper-1", file=hum_and_fox, extra_body={"audio_track": track})
        assert refused.value.param == "audio_track"


def test_native_says_how_many_tracks_there_are(web: WebProcess, alice: Character, hum_and_fox: Path) -> None:
    url = f"{web.url}/api/v1/recordings"
    for track in ("3", "0"):
        files = {"file": hum_and_fox.open("rb")}
        answer = httpx.post(url, headers=alice.bearer, data={"audio_track": track}, files=files)
        assert (answer.status_code, answer.json()["param"]) == (400, "audio_track")
    made = httpx.post(url, headers=alice.bearer, files={"file": hum_and_fox.open("rb")}, data={"audio_track": "2"})
    assert made.status_code == 201
    body = made.json()
    assert [track["number"] for track in body["audio_tracks"]] == [1, 2]
    assert (body["transcription"]["audio_track"], body["transcription"]["audio_track_taken"]) == (2, 2)
    again = httpx.post(f"{url}/{body['id']}/transcriptions", headers=alice.bearer, json={"audio_track": 3})
    assert (again.status_code, again.json()["code"]) == (400, "no_such_track")
    text = httpx.post(f"{url}/{body['id']}/transcriptions", headers=alice.bearer, json={"audio_track": "1"})
    assert (text.status_code, text.json()["param"]) == (400, "audio_track")
    other = httpx.post(f"{url}/{body['id']}/transcriptions", headers=alice.bearer, json={"audio_track": 1})
    assert (other.status_code, other.json()["audio_track_taken"]) == (201, 1)


@pytest.mark.django_db
def test_warnings_are_codes_with_sentences(client: Client, alice: Character, row: Transcription) -> None:
    body = client.get(f"/api/v1/transcriptions/{row.id}", headers=alice.bearer).json()
    assert [warned["code"] for warned in body["warnings"]] == ["incomplete", "other_tracks"]
    assert "track 2" in body["warnings"][1]["message"]
    assert (body["audio_track"], body["audio_track_taken"]) == (2, 2)
    whole = client.get(f"/api/v1/recordings/{row.recording_id}", headers=alice.bearer).json()
    assert whole["audio_tracks"] == [TRACKS[0] | {"number": 1}, TRACKS[1] | {"number": 2}]
    file = client.get(body["transcripts"]["json"], headers=alice.bearer).json()
    assert file["warnings"] == body["warnings"]


@pytest.mark.django_db
@pytest.mark.usefixtures("within")
def test_what_has_one_track_and_no_warning_says_nothing_of_them(alice: Character) -> None:
    row = make_transcription(alice.tenant)
    assert not {"warnings", "audio_track", "audio_tracks"} & exports.verbose_json(row, ()).keys()

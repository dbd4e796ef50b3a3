"""OpenAI's own Node SDK against the running product, with the real engine: one script does everything once."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pysubs2
import pytest

from tests.portal.api import node_sdk
from tests.portal.api.test_openai_sdk import says_fox
from tests.stack import Stack

RUN_SECONDS = 200


@pytest.fixture(scope="module")
def installed() -> None:
    node_sdk.install()


@pytest.fixture(scope="module")
def given(installed: None, stack: Stack, fox: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the script printed."""
    not_audio = tmp_path_factory.mktemp("node") / "song.mp3"
    not_audio.write_bytes(b"no song " * 100)
    command = [str(node_sdk.node()), "openai.mjs", f"{stack.url}/v1", stack.api_key, str(fox), str(not_audio)]
    done = subprocess.run(
        command, cwd=node_sdk.FOLDER, timeout=RUN_SECONDS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_json_and_bytes_without_a_name(given: Any) -> None:
    for body in (given["json"], given["unnamed"]):
        assert says_fox(body["text"])
        assert body["usage"] == {"type": "duration", "seconds": 3}


def test_text_and_subtitles_are_plain_texts(given: Any) -> None:
    assert says_fox(given["text"])
    assert given["text"][0] != '"'
    for format in ("srt", "vtt"):
        cues = pysubs2.SSAFile.from_string(given[format], format_=format)
        assert says_fox(" ".join(cue.plaintext for cue in cues))


def test_granularities(given: Any) -> None:
    assert given["verbose"]["language"] == "english"
    assert (len(given["verbose"]["segments"]), "words" in given["verbose"]) == (1, False)
    assert ("segments" in given["words"], len(given["words"]["words"])) == (False, 9)
    assert (len(given["both"]["segments"]), len(given["both"]["words"])) == (1, 9)


def test_streams(given: Any) -> None:
    *deltas, done = given["stream"]
    assert done["type"] == "transcript.text.done"
    assert "".join(event["delta"] for event in deltas) == done["text"] == given["json"]["text"]
    *deltas, done = given["streamed_srt"]
    assert "".join(event["delta"] for event in deltas) == done["text"] == given["srt"]


def test_what_changes_nothing_is_taken(given: Any) -> None:
    assert says_fox(given["strategy"]["text"])
    assert "logprobs" not in given["strategy"]


def test_translations_and_models(given: Any) -> None:
    assert says_fox(given["translation"]["text"])
    assert {"whisper-1", "base"} <= {model["id"] for model in given["models"]}
    assert (given["one_model"]["id"], given["one_model"]["object"]) == ("base", "model")


def test_headers(given: Any) -> None:
    assert given["headers"] == {"requestId": "node-1", "contentType": "application/json"}


@pytest.mark.parametrize(
    ("case", "name", "status", "code", "param"),
    [
        ("wrong_key", "AuthenticationError", 401, "invalid_api_key", None),
        ("unknown_model", "NotFoundError", 404, "model_not_found", "model"),
        ("unknown_format", "BadRequestError", 400, "invalid_value", "response_format"),
        ("no_words", "BadRequestError", 400, "invalid_value", "timestamp_granularities[]"),
        ("not_audio", "UnprocessableEntityError", 422, "not_media", "file"),
        ("empty", "BadRequestError", 400, "empty_file", "file"),
        ("deletion", "PermissionDeniedError", 403, "model_not_deletable", "model"),
        ("streamed", "UnprocessableEntityError", 422, "not_media", "file"),
    ],
)
def test_errors_are_the_sdks_own(given: Any, case: str, name: str, status: int, code: str, param: str | None) -> None:
    error = given["errors"][case]
    assert (error["name"], error["status"], error["code"], error["param"]) == (name, status, code, param)
    assert error["message"]
    assert error["requestID"].startswith("req_")

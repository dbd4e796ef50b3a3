"""Clients that neither OpenAI nor we wrote, against the running product with the real engine.

Each runs once, in a process of its own that reaches this machine only, and prints what it was given.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pysubs2
import pytest

from tests.portal.api import node_sdk
from tests.portal.api.test_openai_sdk import says_fox
from tests.stack import ROOT, Stack

RUN_SECONDS = 200


def printed(command: list[str], folder: Path, stack: Stack, speech: Path) -> Any:
    """The last line that the program prints, which is JSON."""
    done = subprocess.run(
        [*command, f"{stack.url}/v1", stack.api_key, str(speech)],
        cwd=folder,
        timeout=RUN_SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def ai_sdk(stack: Stack, fox: Path) -> Any:
    node_sdk.install()
    return printed([str(node_sdk.node()), "ai_sdk.mjs"], node_sdk.FOLDER, stack, fox)


@pytest.fixture(scope="module")
def litellm(stack: Stack, fox: Path) -> Any:
    return printed([sys.executable, "-m", "tests.portal.api.litellm_client"], ROOT, stack, fox)


@pytest.fixture(scope="module")
def langchain(stack: Stack, fox: Path) -> Any:
    return printed([sys.executable, "-m", "tests.portal.api.langchain_client"], ROOT, stack, fox)


def test_the_ai_sdk_transcribes_under_both_names(ai_sdk: Any) -> None:
    for name in ("whisper", "gpt"):
        assert says_fox(ai_sdk[name]["text"])
        assert (ai_sdk[name]["warnings"], ai_sdk[name]["ignored"]) == (0, "")
    assert (ai_sdk["whisper"]["language"], round(ai_sdk["whisper"]["durationInSeconds"], 1)) == ("en", 2.9)
    assert (len(ai_sdk["whisper"]["segments"]), ai_sdk["gpt"]["segments"]) == (1, [])
    assert ai_sdk["gpt"]["durationInSeconds"] == 3


def test_the_ai_sdk_gets_words(ai_sdk: Any) -> None:
    assert [word["text"] for word in ai_sdk["words"]["segments"]] == ai_sdk["whisper"]["text"].split()
    assert (len(ai_sdk["gpt_words"]["body"]["words"]), len(ai_sdk["gpt_words"]["segments"])) == (9, 1)


def test_the_ai_sdk_is_told_which_options_change_nothing(ai_sdk: Any) -> None:
    assert says_fox(ai_sdk["everything"]["text"])
    assert sorted(ai_sdk["everything"]["ignored"].split(", ")) == [
        "chunking_strategy[silence_duration_ms]",
        "chunking_strategy[threshold]",
        "include[]",
    ]


def test_the_ai_sdk_reads_our_errors(ai_sdk: Any) -> None:
    assert (ai_sdk["refused"]["name"], ai_sdk["refused"]["statusCode"]) == ("AI_APICallError", 404)
    assert ai_sdk["refused"]["data"]["error"]["code"] == "model_not_found"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["json", "text", "verbose_json", "nothing_said", "gpt", "options", "words"])
def test_litellm(litellm: Any, case: str) -> None:
    assert says_fox(litellm[case]["text"])


@pytest.mark.slow
def test_litellm_gets_subtitles_and_times(litellm: Any) -> None:
    for format in ("srt", "vtt"):
        cues = pysubs2.SSAFile.from_string(litellm[format]["text"], format_=format)
        assert says_fox(" ".join(cue.plaintext for cue in cues))
    assert (litellm["verbose_json"]["language"], round(litellm["nothing_said"]["duration"], 1)) == ("english", 2.9)
    assert (len(litellm["words"]["words"]), len(litellm["words"]["segments"])) == (9, 1)


@pytest.mark.slow
def test_litellm_asks_a_gpt_for_words_and_gets_the_text(litellm: Any) -> None:
    assert says_fox(litellm["gpt_words"]["text"])


@pytest.mark.slow
def test_litellm_reads_our_errors(litellm: Any) -> None:
    assert litellm["refused"]["status_code"] == 404
    assert "whisper-9" in litellm["refused"]["message"]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["nothing_said", "text", "srt", "verbose_json", "gpt"])
def test_langchain(langchain: Any, case: str, fox: Path) -> None:
    [[text, metadata]] = langchain[case]
    assert says_fox(text)
    assert metadata == {"source": str(fox), "chunk": 0}

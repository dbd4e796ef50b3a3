"""Exact mode against openai-whisper's transcribe(), the whole way through the engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from whisper.model import Whisper

from tests.engine.conftest import Engine
from transcription.engine.client import EngineClient
from transcription.engine.exact import Resume
from transcription.engine.modes import transcribe
from transcription.engine.types import SAMPLE_RATE, DecodeOptions, Segment, WindowResult

pytestmark = pytest.mark.parity

OPENAIS = DecodeOptions("base", skip_non_speech=False, follow_language=False)
"""What openai-whisper has no switch for is off."""


@pytest.fixture(scope="module")
def ear(torch_engine: Engine) -> EngineClient:
    return EngineClient(torch_engine.address, patience=20.0)


@pytest.fixture(scope="module")
def mixed(fox: bytes, counting: bytes, conteo: bytes) -> bytes:
    """Speech in two languages, pauses, and an end that isn't a whole frame: nothing that needs a second try."""
    pause = bytes(2 * 3 * SAMPLE_RATE)
    return pause.join([fox, counting, fox, conteo, counting, fox]) + counting[: 2 * SAMPLE_RATE + 66]


@pytest.fixture(scope="module")
def brief(fox: bytes, counting: bytes) -> bytes:
    return fox + bytes(2 * SAMPLE_RATE) + counting


def ours(ear: EngineClient, pcm: bytes, options: DecodeOptions) -> list[WindowResult]:
    return list(transcribe(ear, [pcm], options, "exact"))


def theirs(model: Whisper, pcm: bytes, **options: Any) -> dict[str, Any]:
    audio = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768.0
    result: dict[str, Any] = model.transcribe(audio, fp16=False, **options)
    result["segments"] = [segment for segment in result["segments"] if segment["text"].strip()]
    return result


def segments(results: list[WindowResult]) -> Iterator[Segment]:
    return (segment for result in results for segment in result.segments)


def assert_same(results: list[WindowResult], expected: dict[str, Any]) -> None:
    heard = list(segments(results))
    assert [s.tokens for s in heard] == [tuple(s["tokens"]) for s in expected["segments"]]
    assert [(s.seek, s.text, s.temperature) for s in heard] == [
        (s["seek"], s["text"], s["temperature"]) for s in expected["segments"]
    ]
    for name in ("start", "end"):
        np.testing.assert_allclose(
            [getattr(s, name) for s in heard], [s[name] for s in expected["segments"]], atol=0.02
        )
    for name in ("avg_logprob", "no_speech_prob", "compression_ratio"):
        found = [getattr(s, name) for s in heard]
        np.testing.assert_allclose(found, [s[name] for s in expected["segments"]], atol=2e-3)


@pytest.mark.parametrize(
    ("sound", "options"),
    [
        ("mixed", {"language": "en"}),
        ("mixed", {"language": "es", "task": "translate"}),
        ("brief", {"language": "en", "prompt": "A fox and a dog."}),
        ("brief", {"language": "en", "beam_size": 3}),
        ("brief", {}),
    ],
)
def test_every_window_comes_out_as_openai_whisper_has_it(
    ear: EngineClient, model: Whisper, sound: str, options: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    pcm: bytes = request.getfixturevalue(sound)
    results = ours(ear, pcm, replace(OPENAIS, **options))
    asked = {"initial_prompt" if name == "prompt" else name: value for name, value in options.items()}
    expected = theirs(model, pcm, **asked)
    assert_same(results, expected)
    assert {result.language for result in results} == {expected["language"]}


def test_words_have_openai_whispers_times(ear: EngineClient, model: Whisper, mixed: bytes) -> None:
    results = ours(ear, mixed, replace(OPENAIS, language="en", word_timestamps=True))
    expected = theirs(model, mixed, language="en", word_timestamps=True)
    heard = [word for segment in segments(results) for word in segment.words]
    words = [word for segment in expected["segments"] for word in segment["words"]]
    assert [word.word for word in heard] == [word["word"] for word in words]
    for name in ("start", "end"):
        np.testing.assert_allclose([getattr(w, name) for w in heard], [w[name] for w in words], atol=0.021)


def test_an_interrupted_transcription_goes_on_as_if_it_had_not_been(ear: EngineClient, mixed: bytes) -> None:
    options = replace(OPENAIS, language="en", word_timestamps=True)
    whole = ours(ear, mixed, options)
    for done in range(1, len(whole)):
        resumed = transcribe(ear, [mixed], options, "exact", Resume.after(whole[done - 1]))
        assert list(resumed) == whole[done:]

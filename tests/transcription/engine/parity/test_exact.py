"""Exact mode gives the results of openai-whisper's transcribe(), from the client through the engine and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from whisper.model import Whisper

from tests.transcription.engine.conftest import Engine
from transcription.engine.client import EngineClient
from transcription.engine.exact import Resume
from transcription.engine.modes import transcribe
from transcription.engine.types import SAMPLE_RATE, DecodeOptions, Segment, WindowResult

pytestmark = pytest.mark.parity

OPENAIS = DecodeOptions("base", skip_non_speech=False, follow_language=False)
"""Features that openai-whisper does not have are off."""


@pytest.fixture(scope="module")
def client(torch_engine: Engine) -> EngineClient:
    return EngineClient(torch_engine.address, patience=20.0)


@pytest.fixture(scope="module")
def mixed(fox: bytes, counting: bytes, conteo: bytes) -> bytes:
    """Returns speech in two languages with pauses and an incomplete last frame, which needs no second temperature."""
    pause = bytes(2 * 6 * SAMPLE_RATE)
    return pause.join([fox, counting, conteo, fox]) + counting[: 2 * SAMPLE_RATE + 66]


@pytest.fixture(scope="module")
def brief(fox: bytes, counting: bytes) -> bytes:
    return fox + bytes(2 * SAMPLE_RATE) + counting


@pytest.fixture(scope="module")
def whole(client: EngineClient, mixed: bytes) -> list[WindowResult]:
    """Returns the engine's results for the mixed recording, with detected language and word times."""
    return ours(client, mixed, replace(OPENAIS, word_timestamps=True))


def ours(client: EngineClient, pcm: bytes, options: DecodeOptions) -> list[WindowResult]:
    return list(transcribe(client, [pcm], options, "exact"))


def theirs(model: Whisper, pcm: bytes, **options: Any) -> dict[str, Any]:
    audio = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768.0
    result: dict[str, Any] = model.transcribe(audio, fp16=False, **options)
    result["segments"] = [segment for segment in result["segments"] if segment["text"].strip()]
    return result


def segments(results: list[WindowResult]) -> Iterator[Segment]:
    return (segment for result in results for segment in result.segments)


def assert_same(results: list[WindowResult], expected: dict[str, Any]) -> None:
    found = list(segments(results))
    assert [s.tokens for s in found] == [tuple(s["tokens"]) for s in expected["segments"]]
    assert [(s.seek, s.text, s.temperature) for s in found] == [
        (s["seek"], s["text"], s["temperature"]) for s in expected["segments"]
    ]
    for names, tolerance in ((("start", "end"), 0.02), (("avg_logprob", "no_speech_prob", "compression_ratio"), 2e-3)):
        for name in names:
            figures = [getattr(s, name) for s in found]
            np.testing.assert_allclose(figures, [s[name] for s in expected["segments"]], atol=tolerance)
    assert {result.language for result in results} == {expected["language"]}


def assert_same_words(results: list[WindowResult], expected: dict[str, Any]) -> None:
    found = [word for segment in segments(results) for word in segment.words]
    words = [word for segment in expected["segments"] for word in segment["words"]]
    assert [word.word for word in found] == [word["word"] for word in words]
    for name in ("start", "end"):
        np.testing.assert_allclose([getattr(w, name) for w in found], [w[name] for w in words], atol=0.021)


def test_windows_and_words_are_openai_whispers(model: Whisper, mixed: bytes, whole: list[WindowResult]) -> None:
    expected = theirs(model, mixed, word_timestamps=True)
    assert_same(whole, expected)
    assert_same_words(whole, expected)


@pytest.mark.parametrize(
    "options",
    [
        {"language": "es", "task": "translate"},
        {"language": "en", "prompt": "A fox and a dog.", "beam_size": 3},
    ],
)
def test_so_are_those_of_other_options(
    client: EngineClient, model: Whisper, brief: bytes, options: dict[str, Any]
) -> None:
    results = ours(client, brief, replace(OPENAIS, **options))
    asked = {"initial_prompt" if name == "prompt" else name: value for name, value in options.items()}
    assert_same(results, theirs(model, brief, **asked))


def test_an_interrupted_transcription_goes_on_as_if_it_had_not_been(
    client: EngineClient, mixed: bytes, whole: list[WindowResult]
) -> None:
    """Resumes after each window: as a window depends only on the one before, equal next windows prove the rest."""
    assert len(whole) > 1
    options = replace(OPENAIS, word_timestamps=True)
    for done, following in pairwise(whole):
        resumed = next(transcribe(client, [mixed], options, "exact", Resume.after(done)))
        # The language is known by then, and not detected again.
        assert replace(resumed, language_probability=following.language_probability) == following
    assert list(transcribe(client, [mixed], options, "exact", Resume.after(whole[-1]))) == []

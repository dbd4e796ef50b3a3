"""Exact mode against openai-whisper's transcribe(), the whole way through the engine."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from whisper.model import Whisper

from tests.engine.conftest import ROOT, Engine
from tests.engine.parity.conftest import Pair
from transcription.engine.client import EngineClient
from transcription.engine.exact import Resume
from transcription.engine.local import wait_until_ready
from transcription.engine.modes import transcribe
from transcription.engine.types import SAMPLE_RATE, DecodeOptions, Segment, WindowResult

pytestmark = pytest.mark.parity

OPENAIS = DecodeOptions("base", skip_non_speech=False, follow_language=False)
"""What openai-whisper has no switch for is off."""


@pytest.fixture(scope="module")
def client() -> Iterator[EngineClient]:
    """An engine with the untrained weights."""
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        address = str(Path(folder) / "socket")
        process = subprocess.Popen([sys.executable, "-m", "tests.engine.serve_untrained", address], cwd=ROOT)
        client = EngineClient(address, patience=20.0)
        try:
            wait_until_ready(client, process)
            yield client
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def mixed(fox: bytes, counting: bytes, conteo: bytes) -> bytes:
    """Speech in two languages, pauses, and an end that isn't a whole frame: nothing that needs a second try."""
    pause = bytes(2 * 3 * SAMPLE_RATE)
    return pause.join([fox, counting, fox, conteo, counting, fox]) + counting[: 2 * SAMPLE_RATE + 66]


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


@pytest.mark.parametrize(
    "options",
    [
        {"language": "en"},
        {"language": "es", "task": "translate"},
        {"language": "en", "prompt": "A fox and a dog."},
        {"language": "en", "beam_size": 3},
        {},
    ],
)
def test_every_window_comes_out_as_openai_whisper_has_it(
    client: EngineClient, pair: Pair, mixed: bytes, options: dict[str, Any]
) -> None:
    results = ours(client, mixed, replace(OPENAIS, **options))
    asked = {"initial_prompt" if name == "prompt" else name: value for name, value in options.items()}
    assert_same(results, theirs(pair.model, mixed, **asked))
    assert len(results) > 1


def test_real_weights_hear_what_openai_whisper_hears(torch_engine: Engine, model: Whisper, mixed: bytes) -> None:
    client = EngineClient(torch_engine.address, patience=20.0)
    results = ours(client, mixed, replace(OPENAIS, word_timestamps=True))
    expected = theirs(model, mixed, word_timestamps=True)
    assert_same(results, expected)
    assert_same_words(results, expected)


def test_an_interrupted_transcription_goes_on_as_if_it_had_not_been(client: EngineClient, mixed: bytes) -> None:
    options = replace(OPENAIS, language="en", word_timestamps=True)
    whole = ours(client, mixed, options)
    assert len(whole) > 2
    for done, following in pairwise(whole):
        resumed = transcribe(client, [mixed], options, "exact", Resume.after(done))
        assert next(resumed) == following
    assert list(transcribe(client, [mixed], options, "exact", Resume.after(whole[-1]))) == []

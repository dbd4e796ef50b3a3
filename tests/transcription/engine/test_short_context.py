"""Short windows are encoded with little padding where that is as good, and heard again in full where it shows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.weightless import WeightlessVocabulary
from tests.transcription.engine.fake_backend import Caller, FakeBackend, FakeModel
from tests.transcription.engine.test_scheduler import Run, base
from tests.transcription.engine.test_scheduler import run as run
from transcription.engine.backend import Decoded, Work
from transcription.engine.client import EngineClient
from transcription.engine.modes import transcribe
from transcription.engine.short_context import is_doubtful, shortened, token_limit, with_context
from transcription.engine.types import SAMPLE_RATE, DecodeOptions, Passage, Tail, Window, WindowResult

ENGLISH = DecodeOptions("base", language="en")
BEGIN = WeightlessVocabulary.timestamp_begin


def window(seconds: float, **fields: Any) -> Window:
    return Window(0, 0.0, seconds, np.full(round(seconds * SAMPLE_RATE), 20, dtype=np.int16), **fields)


@pytest.mark.parametrize(
    ("seconds", "frames"),
    [(1 / SAMPLE_RATE, 800), (1.99, 800), (2.0, 800), (2.001, 1000), (5.0, 1200), (15.0, 2200), (15.001, 3000)],
)
def test_the_encoder_hears_six_seconds_more_than_the_clip_in_steps_of_two(seconds: float, frames: int) -> None:
    assert shortened(window(seconds)).encoder_frames == frames


@pytest.mark.parametrize(
    ("options", "is_short"),
    [
        ({}, True),
        ({"word_timestamps": True}, True),
        ({"hotwords": "fox"}, False),
        ({"prompt": "A fox met a dog."}, False),
        ({"language": "de"}, False),
        ({"language": None}, True),
        ({"language": None, "languages": ("de", "en")}, True),
        ({"language": None, "languages": ("de", "fr")}, False),
        ({"model": "clinic"}, False),
        ({"model": "large-v3"}, False),
        ({"temperature": 0.2}, False),
        ({"beam_size": 5}, False),
        ({"task": "translate"}, False),
    ],
)
def test_only_what_was_measured_has_a_short_context(options: dict[str, Any], is_short: bool) -> None:
    assert with_context(window(5.0), replace(ENGLISH, **options)).is_short is is_short


def test_exact_mode_and_doubted_windows_have_the_full_context() -> None:
    exact = window(5.0, passage=Passage(500, 0, 0.0))
    doubted = window(5.0, non_speech=((0.0, 5.0),))
    assert [with_context(one, ENGLISH).is_short for one in (exact, doubted)] == [False, False]


@pytest.mark.parametrize(
    ("language", "change", "again"),
    [
        ("en", {}, False),
        ("en", {"avg_logprob": -0.99}, False),
        ("en", {"avg_logprob": -1.01}, True),
        ("de", {"avg_logprob": -0.69}, False),
        ("de", {"avg_logprob": -0.71}, True),
        ("en", {"no_speech_prob": 0.59}, False),
        ("en", {"no_speech_prob": 0.61}, True),
        ("en", {"text": "over and " * 4}, False),
        ("en", {"text": "over and " * 12}, True),
        ("en", {"tokens": (BEGIN, 1, BEGIN + 350)}, False),
        ("en", {"tokens": (BEGIN, 1, BEGIN + 351)}, True),
        ("en", {"tokens": (1,) * 40}, False),
        ("en", {"tokens": (1,) * 41}, True),
    ],
)
def test_what_is_heard_again_in_full(language: str, change: dict[str, Any], again: bool) -> None:
    """The clip has 5 s."""
    decoded = replace(Decoded((BEGIN, 1, BEGIN + 250), "a fox", -0.3, 0.1), **change)
    short = Work(shortened(window(5.0)), ENGLISH, language)
    full = Work(window(5.0), ENGLISH, language)
    assert is_doubtful(short, decoded, WeightlessVocabulary()) is again
    assert not is_doubtful(full, decoded, WeightlessVocabulary())


def test_of_a_tail_only_what_is_left_has_tokens() -> None:
    tail = replace(shortened(window(10.0)), tail=Tail(after=300))
    assert (token_limit(shortened(window(10.0))), token_limit(tail), token_limit(window(10.0))) == (70, 34, None)


class LoopingModel(FakeModel):
    """Repeats itself in every short context."""

    def encode(self, works: Sequence[Work]) -> None:
        for work in works:
            work.encoding = work.encoding or f"{work.window.encoder_frames} frames"

    def decoded(self, work: Work) -> Decoded:
        assert work.encoding == f"{work.window.encoder_frames} frames"
        found = super().decoded(work)
        return replace(found, tokens=found.tokens * 40) if work.window.is_short else found


@pytest.mark.parametrize("workers", [0, 2])
def test_a_window_in_a_language_that_was_not_measured_is_heard_in_full(run: Run, workers: int) -> None:
    """The fake model finds Spanish in every window."""
    backend, caller = LoopingBackend(workers=workers), Caller(language=None)
    scheduler = run(backend)
    model = base(backend, scheduler)
    request = caller.request(20)
    request.work.window = shortened(request.work.window)
    model.batches.clear()
    scheduler.queue.submit(request)
    (result,) = caller.wait_for(1).values()
    assert isinstance(result, WindowResult)
    assert (result.language, result.encoder_frames) == ("es", 3000)
    assert len(model.batches) == (model.steps if workers == 0 else 1), "it was decoded in full only"


class LoopingBackend(FakeBackend):
    def open(self, name: str, path: Any, beside: Collection[str] = ()) -> FakeModel:
        self.models[name] = LoopingModel(self.slots, self.steps, lambda: None)
        return self.models[name]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("suspect", [False, True])
def test_a_loop_is_encoded_and_heard_again_in_full(run: Run, workers: int, suspect: bool) -> None:
    backend, caller = LoopingBackend(workers=workers), Caller()
    scheduler = run(backend)
    base(backend, scheduler)
    requests = [caller.request(word) for word in (20, 21, 22)]
    for request in requests:
        request.work.window = shortened(request.work.window)
        request.suspect = suspect
        scheduler.queue.submit(request)
    results = caller.wait_for(3).values()
    assert all(isinstance(result, WindowResult) and result.encoder_frames == 3000 for result in results)
    assert [request.work.temperature for request in requests] == [0.0, 0.0, 0.0]
    assert scheduler.queue.under_way == 0


@pytest.mark.parametrize("word_timestamps", [False, True])
def test_a_short_clip_is_heard_as_in_full_context(client: EngineClient, fox: bytes, word_timestamps: bool) -> None:
    options = replace(ENGLISH, word_timestamps=word_timestamps)
    (short,) = transcribe(client, [fox], options, "fast")
    (full,) = transcribe(client, [fox], options, "fast", set_context=lambda window, _: window)
    assert (short.encoder_frames, full.encoder_frames) == (1000, 3000)
    assert [segment.text for segment in short.segments] == [segment.text for segment in full.segments]
    words = [[word for segment in result.segments for word in segment.words] for result in (short, full)]
    for one, other in zip(*words, strict=True):
        assert one.word == other.word
        assert abs(one.start - other.start) + abs(one.end - other.end) < 0.3

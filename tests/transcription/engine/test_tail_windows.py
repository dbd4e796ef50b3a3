"""Fast mode decodes the speech after the end of a window's text, too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.transcription.engine.conftest import Engine
from tests.transcription.engine.test_cpu_models import BACKENDS, opened_by
from transcription.engine.backend import Work
from transcription.engine.client import EngineClient
from transcription.engine.encodings import MOST, Encodings
from transcription.engine.fast import transcribe_fast
from transcription.engine.modes import transcribe
from transcription.engine.short_context import shortened
from transcription.engine.tail_windows import tail_window
from transcription.engine.types import (
    SAMPLE_RATE,
    TIMESTAMPS_PER_SECOND,
    DecodeOptions,
    EngineUnavailable,
    Passage,
    Segment,
    Tail,
    Window,
    WindowFailed,
    WindowRejected,
    WindowResult,
)


def heard_until(seconds: float) -> Callable[[Iterable[Window]], Iterator[WindowResult]]:
    """Returns a decoder whose text ends `seconds` after each window's start."""

    def decode(windows: Iterable[Window]) -> Iterator[WindowResult]:
        for window in windows:
            end = min(window.end, window.start + seconds)
            segment = Segment(window.start, end, " Fox.", (1,), 0.0, -0.1, 1.0, 0.0, 0)
            yield WindowResult(window.index, window.start, window.end, "en", 1.0, (segment,))

    return decode


def heard_again(pcm: bytes, seconds: float) -> list[tuple[float, float, str]]:
    """Returns the tails that are decoded: start, end and language."""
    stretches: list[tuple[float, float, str]] = []

    def again(window: Window, language: str) -> WindowResult:
        tail = tail_window(window)
        stretches.append((round(tail.start, 2), round(tail.end, 2), language))
        return next(heard_until(60)([tail]))

    results = list(transcribe_fast([pcm], heard_until(seconds), again))
    assert all(result.segments[-1].end == result.end for result in results if stretches)
    return stretches


def test_speech_after_the_end_of_a_windows_text_is_heard_again(fox: bytes, counting: bytes) -> None:
    clip = fox + counting
    assert heard_again(clip, 3.0) == [(3.0, round(len(clip) / 2 / SAMPLE_RATE, 2), "en")]


def test_speech_after_the_end_of_a_tails_text_is_heard_by_itself(fox: bytes, counting: bytes) -> None:
    heard: list[tuple[bool, float]] = []

    def again(window: Window, language: str) -> WindowResult:
        heard.append((window.tail is not None, round(window.end, 2)))
        return next(heard_until(1.0 if window.tail else 60.0)([tail_window(window) if window.tail else window]))

    clip = fox + counting
    end = round(len(clip) / 2 / SAMPLE_RATE, 2)
    [result] = transcribe_fast([clip], heard_until(3.0), again)
    assert heard == [(True, end), (False, end)]
    assert [round(segment.start, 1) for segment in result.segments][:2] == [0.0, 3.0]
    assert result.segments[-1].end == result.end
    assert result.missed_speech == ()


def test_silence_after_the_end_of_a_text_is_left_alone(fox: bytes) -> None:
    assert heard_again(fox + bytes(2 * 15 * SAMPLE_RATE), 60.0) == []
    assert heard_again(fox + bytes(2 * 15 * SAMPLE_RATE), len(fox) / 2 / SAMPLE_RATE) == []


def test_tails_are_decoded_beside_other_windows_and_come_out_in_order(lecture: bytes) -> None:
    another_began = threading.Event()

    def again(window: Window, language: str) -> WindowResult:
        if window.index:
            another_began.set()
        assert another_began.wait(20)
        return next(heard_until(60)([tail_window(window)]))

    results = list(transcribe_fast([lecture], heard_until(3.0), again))
    assert [result.index for result in results] == list(range(len(results)))
    assert len(results) >= 2
    assert all(len(result.segments) == 2 for result in results)


def test_a_tail_that_fails_fails_in_its_place(lecture: bytes) -> None:
    def again(window: Window, language: str) -> WindowResult:
        if window.start > 30.0:
            raise WindowFailed("broken")
        return next(heard_until(60)([window]))

    results = transcribe_fast([lecture], heard_until(3.0), again)
    assert next(results).index == 0
    with pytest.raises(WindowFailed):
        list(results)


def test_what_was_heard_before_the_engine_went_is_kept(lecture: bytes) -> None:
    asked, heard = threading.Event(), threading.Event()

    def decode(windows: Iterable[Window]) -> Iterator[WindowResult]:
        yield next(heard_until(3.0)(windows))
        asked.set()
        assert heard.wait(20)
        time.sleep(0.2)  # until its thread has handed it over
        raise EngineUnavailable("gone")

    def again(window: Window, language: str) -> WindowResult:
        assert asked.wait(20)
        heard.set()
        return next(heard_until(60)([tail_window(window)]))

    results = transcribe_fast([lecture], decode, again)
    assert len(next(results).segments) == 2
    with pytest.raises(EngineUnavailable):
        next(results)


def whole(pcm: bytes) -> Window:
    samples = np.frombuffer(pcm, dtype="<i2")
    return Window(0, 0.0, len(samples) / SAMPLE_RATE, samples)


def text_of(result: WindowResult) -> str:
    return "".join(segment.text for segment in result.segments)


@pytest.mark.parametrize("backend", ["ctranslate2", "torch"])
def test_a_tail_is_decoded_after_the_text_that_is_known(
    backend: str, client: EngineClient, torch_engine: Engine, fox: bytes, counting: bytes, english: DecodeOptions
) -> None:
    if backend == "torch":
        client = EngineClient(torch_engine.address)
    (before,) = client.decode([whole(fox)], english)
    after = round(len(fox) / 2 / SAMPLE_RATE * TIMESTAMPS_PER_SECOND)
    context = tuple(token for segment in before.segments for token in segment.tokens)
    (tail,) = client.decode([replace(whole(fox + counting), tail=Tail(after, context))], english)
    assert "fox" in text_of(before)
    assert "fox" not in text_of(tail)
    assert any(number in text_of(tail).lower() for number in ("seven", "7"))
    assert tail.segments[0].start == pytest.approx(after / TIMESTAMPS_PER_SECOND)
    assert tail.segments[-1].end <= len(fox + counting) / 2 / SAMPLE_RATE


def test_with_word_times_a_tail_is_a_window_of_its_own(
    client: EngineClient, fox: bytes, counting: bytes, english: DecodeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Window] = []
    decode = client.decode

    def watched(windows: Iterable[Window], *tail: object, **options: object) -> Iterator[WindowResult]:
        for window in windows:
            sent.append(window)
            first = not window.start
            for result in decode([window], *tail, **options):  # type: ignore[arg-type]
                yield replace(result, segments=result.segments[:1]) if first else result

    monkeypatch.setattr(client, "decode", watched)
    options = replace(english, word_timestamps=True)
    gap = bytes(2 * SAMPLE_RATE)
    (result,) = transcribe(client, [fox + gap + counting], options, "fast")
    assert [window.tail for window in sent] == [None, None]
    assert 0 < sent[1].start < sent[1].end == sent[0].end
    words = [word for segment in result.segments for word in segment.words]
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert words[-1].end > len(fox) / 2 / SAMPLE_RATE + 1


def test_a_tail_that_comes_out_at_a_temperature_only_is_heard_again_as_a_window_of_its_own(
    client: EngineClient, fox: bytes, counting: bytes, english: DecodeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Window] = []
    decode = client.decode

    def inventing(windows: Iterable[Window], *rest: object, **options: object) -> Iterator[WindowResult]:
        for window in windows:
            sent.append(window)
            for result in decode([window], *rest, **options):  # type: ignore[arg-type]
                if window.tail is not None:
                    invented = replace(result.segments[0], text=" Thanks for watching.", temperature=0.2)
                    result = replace(result, segments=(invented,))
                yield replace(result, segments=result.segments[:1]) if len(sent) == 1 else result

    monkeypatch.setattr(client, "decode", inventing)
    (result,) = transcribe(client, [fox + bytes(2 * SAMPLE_RATE) + counting], english, "fast")
    assert [window.tail is not None for window in sent] == [False, True, False]
    assert 0 < sent[2].start < sent[2].end == sent[1].end
    assert "watching" not in text_of(result)
    assert any(number in text_of(result).lower() for number in ("seven", "7"))


@pytest.mark.parametrize(
    ("tail", "passage", "reason"),
    [
        (Tail(-1), None, "0 to 1500 timestamps"),
        (Tail(1501), None, "0 to 1500 timestamps"),
        (Tail(10, (10**9,)), None, "at most 448 tokens"),
        (Tail(10, (1,) * 449), None, "at most 448 tokens"),
        (Tail(10), Passage(100, 0, 1.0), "exact mode has no tail"),
    ],
)
def test_an_impossible_tail_is_refused_with_a_reason(
    client: EngineClient, english: DecodeOptions, tail: Tail, passage: Passage | None, reason: str
) -> None:
    window = replace(whole(bytes(32_000)), tail=tail, passage=passage)
    with pytest.raises(WindowRejected, match=reason):
        list(client.decode([window], english))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_window_of_a_tail_is_encoded_once(backend: str, base_weights: Path, fox: bytes, counting: bytes) -> None:
    model = opened_by(backend, base_weights)
    first = Work(whole(fox + counting), DecodeOptions("base"), "en")
    tail, again = (Work(replace(first.window, tail=Tail(at)), DecodeOptions("base"), "en") for at in (200, 250))
    other = Work(replace(whole(counting), tail=Tail(50)), DecodeOptions("base"), "en")
    for work in (first, tail, again, other):
        model.encode([work])
    np.testing.assert_array_equal(encoding_of(tail), encoding_of(first))
    assert np.shares_memory(encoding_of(tail), encoding_of(again))
    assert encoding_of(other).shape == encoding_of(first).shape, "the other's window was never here"
    model.close()


def encoding_of(work: Work) -> NDArray[np.float32]:
    return np.asarray(getattr(work.encoding, "encoding", work.encoding))


def test_only_the_latest_windows_are_kept() -> None:
    encodings = Encodings[NDArray[np.float32]]()
    windows = [whole(bytes([number, 0]) * SAMPLE_RATE) for number in range(MOST + 1)]
    for number, window in enumerate(windows):
        encodings.keep(window, np.full(1, number, dtype=np.float32))
    assert encodings.find(windows[0]) is None
    assert [encodings.find(window) for window in windows[1:]] == list(range(1, MOST + 1))


def test_an_encoding_in_short_context_is_not_taken_for_a_whole_one() -> None:
    encodings, window = Encodings[NDArray[np.float32]](), whole(bytes(5 * 2 * SAMPLE_RATE))
    encodings.keep(shortened(window), np.zeros(1, dtype=np.float32))
    assert encodings.find(window) is None
    assert encodings.find(replace(shortened(window), tail=Tail(50))) is not None

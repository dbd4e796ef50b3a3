"""Fast mode decodes again what the voice detector is sure of and no text covers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from transcription.engine.exact import transcribe_exactly
from transcription.engine.fast import transcribe_fast
from transcription.engine.missed_speech import missed_windows
from transcription.engine.types import SAMPLE_RATE, DecodeOptions, Segment, Span, Window, WindowFailed, WindowResult
from transcription.engine.windows import fast_windows

Decode = Callable[[Iterable[Window]], Iterator[WindowResult]]


@pytest.fixture(scope="module")
def talk(fox: bytes, counting: bytes) -> bytes:
    """Returns three sentences with pauses of a second."""
    return bytes(2 * SAMPLE_RATE).join([fox, counting, fox])


@pytest.fixture(scope="module")
def sentences(fox: bytes, counting: bytes) -> list[Span]:
    """Returns when each sentence of the talk is said, in seconds."""
    lengths = [len(clip) / 2 / SAMPLE_RATE for clip in (fox, counting, fox)]
    starts = [0.0, lengths[0] + 1, lengths[0] + lengths[1] + 2]
    return [(start, start + length) for start, length in zip(starts, lengths, strict=True)]


def hearing(spans: Iterable[Span]) -> Decode:
    """Returns a decoder whose text covers some stretches of a recording."""

    def decode(windows: Iterable[Window]) -> Iterator[WindowResult]:
        for window in windows:
            inside = [(max(a, window.start), min(b, window.end)) for a, b in spans]
            segments = tuple(segment(a, b) for a, b in inside if a < b)
            yield WindowResult(window.index, window.start, window.end, "en", 1.0, segments)

    return decode


def segment(start: float, end: float, text: str = " Fox.") -> Segment:
    return Segment(start, end, text, (1,), 0.0, -0.1, 1.0, 0.0, 0)


def transcribed(pcm: bytes, known: Iterable[Span]) -> list[Segment]:
    """Returns the segments of a recording of which some stretches are heard at first, and all when asked again."""

    def again(window: Window, language: str) -> WindowResult:
        assert language == "en"
        return WindowResult(
            window.index, window.start, window.end, "en", 1.0, (segment(window.start, window.end, " Again."),)
        )

    return [segment for result in transcribe_fast([pcm], hearing(known), again) for segment in result.segments]


@pytest.mark.parametrize("missed", [0, 1])
def test_a_sentence_that_is_passed_over_is_heard_again_in_its_place(
    talk: bytes, sentences: list[Span], missed: int
) -> None:
    found = transcribed(talk, [span for at, span in enumerate(sentences) if at != missed])
    assert [segment.text for segment in found] == [" Again." if at == missed else " Fox." for at in range(3)]
    start, end = sentences[missed]
    assert found[missed].start == pytest.approx(start, abs=1.0)
    assert found[missed].end == pytest.approx(end, abs=1.0)


def test_nothing_is_heard_again_where_all_speech_has_text(talk: bytes, sentences: list[Span]) -> None:
    assert [segment.text for segment in transcribed(talk, sentences)] == [" Fox."] * 3


def test_a_window_without_any_text_is_heard_again_where_somebody_speaks(fox: bytes) -> None:
    pcm = bytes(2 * 3 * SAMPLE_RATE) + fox + bytes(2 * 3 * SAMPLE_RATE)
    (found,) = transcribed(pcm, [])
    assert 2.0 < found.start < 4.0


def test_what_is_no_speech_is_not_heard_again() -> None:
    noise = np.random.default_rng(0).normal(0, 3000, 20 * SAMPLE_RATE).astype("<i2")
    (window,) = fast_windows([noise.tobytes()], skip_non_speech=False)
    assert missed_windows(window, WindowResult(0, 0.0, 20.0, "en", 1.0, ())) == []


def test_a_window_that_the_detector_doubts_is_heard_once(fox: bytes) -> None:
    (window,) = fast_windows([fox])
    doubted = replace(window, non_speech=((0.0, window.end),))
    assert missed_windows(doubted, WindowResult(0, 0.0, window.end, "en", 1.0, ())) == []


def test_a_window_that_is_all_missed_is_not_heard_as_it_was(fox: bytes) -> None:
    (window,) = fast_windows([fox])
    assert missed_windows(window, WindowResult(0, 0.0, window.end, "en", 1.0, ())) == []


def deaf(window: Window, _language: str) -> WindowResult:
    return WindowResult(window.index, window.start, window.end, "en", 1.0, ())


@pytest.mark.parametrize("missed", [0, 1, 2])
def test_a_result_says_which_speech_is_still_missed(talk: bytes, sentences: list[Span], missed: int) -> None:
    known = [span for at, span in enumerate(sentences) if at != missed]
    (result,) = transcribe_fast([talk], hearing(known), deaf)
    ((start, end),) = result.missed_speech
    assert sentences[missed][0] - 0.3 < start < end < sentences[missed][1] + 0.3


def test_what_was_heard_again_is_not_missed(talk: bytes, sentences: list[Span]) -> None:
    def again(window: Window, _language: str) -> WindowResult:
        heard = (segment(window.start, window.end),)
        return WindowResult(window.index, window.start, window.end, "en", 1.0, heard)

    (result,) = transcribe_fast([talk], hearing(sentences[1:]), again)
    assert (len(result.segments), result.missed_speech) == (3, ())


def test_exact_mode_says_the_same(talk: bytes, sentences: list[Span]) -> None:
    options = DecodeOptions("base", language="en")
    (result,) = transcribe_exactly([talk], hearing(sentences[1:]), options, 80)
    assert result.missed_speech == next(transcribe_fast([talk], hearing(sentences[1:]), deaf)).missed_speech
    assert len(result.missed_speech) == 1


def test_a_text_says_how_much_of_it_is_over_no_voice(fox: bytes) -> None:
    noise = np.random.default_rng(0).normal(0, 3000, 3 * SAMPLE_RATE).astype("<i2").tobytes()
    spoken = len(fox) / 2 / SAMPLE_RATE
    known = [(0.0, spoken), (spoken + 1.4, spoken + 2.4)]
    (result,) = transcribe_fast([fox + noise + fox], hearing(known), deaf)
    assert [found.non_speech_share for found in result.segments] == pytest.approx([0.0, 1.0], abs=0.1)


def test_a_resumed_recording_misses_the_same(lecture: bytes) -> None:
    results = list(transcribe_fast([lecture], hearing([]), deaf))
    assert all(result.missed_speech for result in results)
    assert list(transcribe_fast([lecture], hearing([]), deaf, start=results[0].end)) == results[1:]


def test_what_fails_fails_in_its_place(talk: bytes, sentences: list[Span]) -> None:
    def again(window: Window, language: str) -> WindowResult:
        raise WindowFailed("broken")

    with pytest.raises(WindowFailed, match="broken"):
        list(transcribe_fast([talk], hearing(sentences[1:]), again))


def test_a_missed_window_says_when_it_is_heard(talk: bytes, sentences: list[Span]) -> None:
    (whole,) = fast_windows([talk])
    known = tuple(segment(*sentence) for sentence in (sentences[0], sentences[2]))
    (part,) = missed_windows(whole, WindowResult(0, whole.start, whole.end, "en", 1.0, known))
    first = round(part.start * SAMPLE_RATE)
    assert np.array_equal(part.samples, whole.samples[first : first + len(part.samples)])
    assert part == replace(part, index=0, tail=None, passage=None)
    assert part.end - part.start == pytest.approx(len(part.samples) / SAMPLE_RATE)

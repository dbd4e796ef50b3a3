"""The segments, the end and the context of a window, by the rules of openai-whisper's transcribe()."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.weightless import WeightlessVocabulary
from transcription.engine.backend import Decoded, Language, Work
from transcription.engine.prompts import prompt_of
from transcription.engine.types import DecodeOptions, Passage, Tail, Window, WindowResult
from transcription.engine.window_transcript import WindowTranscript

BEGIN = WeightlessVocabulary.timestamp_begin
ENGLISH = Language("en", 1.0)


def heard(tokens: tuple[int, ...], words: bool = False, temperature: float = 0.0, silence: float = 0.0) -> WindowResult:
    """Returns the result of a window from 60 s to 90 s, prompted with tokens 1, 2 and 3."""
    window = Window(2, 60.0, 90.0, np.zeros(480_000, np.int16), Passage(3000, 0, 1.0, (1, 2, 3), 58.0))
    work = Work(window, DecodeOptions("base", word_timestamps=words), "en", temperature)
    decoded = Decoded(tokens, WeightlessVocabulary().decode(tokens), -1.5 if silence else -0.2, silence)
    return WindowTranscript(work, decoded, WeightlessVocabulary()).result(Language("en", 1.0), "")


def test_what_is_left_unfinished_is_left_to_the_next_window() -> None:
    result = heard((BEGIN, 7, BEGIN + 100, BEGIN + 100, 8))
    assert [(s.start, s.end, s.text) for s in result.segments] == [(60.0, 62.0, " w7")]
    assert (result.end, result.context) == (62.0, (1, 2, 3, BEGIN, 7, BEGIN + 100))


def test_a_single_timestamp_at_the_end_closes_the_window() -> None:
    result = heard((BEGIN, 7, BEGIN + 100, BEGIN + 100, 8, BEGIN + 200))
    assert [(s.start, s.end) for s in result.segments] == [(60.0, 62.0), (62.0, 64.0)]
    assert result.end == 90.0


def test_silence_passes_by_and_the_text_goes_on() -> None:
    result = heard((BEGIN, 7, BEGIN + 100), silence=0.9)
    assert (result.segments, result.end, result.context) == ((), 90.0, (1, 2, 3))


def test_a_text_found_at_a_high_temperature_prompts_nothing() -> None:
    assert heard((BEGIN, 7, BEGIN + 100), temperature=0.6).context == ()
    assert heard((BEGIN, 7, BEGIN + 100), temperature=0.4).context == (1, 2, 3, BEGIN, 7, BEGIN + 100)


def test_a_window_without_words_says_where_the_next_begins_all_the_same() -> None:
    """With word times and no words openai-whisper takes the segment's end for that of the last word."""
    result = heard((BEGIN + 25, BEGIN + 30, BEGIN + 30), words=True)
    assert (result.segments, result.end, result.last_speech) == ((), 60.6, 60.6)


def test_a_rest_doesn_t_reach_back_into_the_text_that_is_known() -> None:
    """CTranslate2 may sample a timestamp before the given one."""
    window = Window(2, 60.0, 90.0, np.zeros(480_000, np.int16), tail=Tail(1000))
    for tokens in ((BEGIN + 1000, 7, BEGIN + 500), (BEGIN + 1000, BEGIN + 500, 7)):
        decoded = Decoded(tokens, WeightlessVocabulary().decode(tokens), -0.2, 0.0)
        work = Work(window, DecodeOptions("base"), "en")
        (segment,) = WindowTranscript(work, decoded, WeightlessVocabulary()).result(Language("en", 1.0), "").segments
        assert (segment.start, segment.end, segment.text) == (80.0, 90.0, " w7")


def test_the_words_of_a_window_that_overlaps_are_timed_though_nobody_asked() -> None:
    window = Window(2, 60.0, 90.0, np.zeros(480_000, np.int16))
    decoded = Decoded((BEGIN, 7, 8, BEGIN + 100), " w7 w8", -0.2, 0.0)
    for times_words, timed in ((True, [7, 8]), (False, [])):
        work = Work(replace(window, times_words=times_words), DecodeOptions("base"), "en")
        assert WindowTranscript(work, decoded, WeightlessVocabulary()).text == timed


def test_text_where_surely_nobody_speaks_is_dropped_and_prompts_nothing() -> None:
    samples = np.zeros(480_000, np.int16)
    window = Window(2, 60.0, 90.0, samples, Passage(3000, 0, 1.0, (), 58.0), non_speech=((64.0, 85.0),))
    tokens = (BEGIN, 7, BEGIN + 100, BEGIN + 300, 8, BEGIN + 900, BEGIN + 900, 9, BEGIN + 1450)
    decoded = Decoded(tokens, WeightlessVocabulary().decode(tokens), -0.2, 0.0)
    result = WindowTranscript(Work(window, DecodeOptions("base"), "en"), decoded, WeightlessVocabulary()).result(
        ENGLISH, ""
    )
    assert [(s.start, s.end, s.text) for s in result.segments] == [(60.0, 62.0, " w7"), (85.0, 89.0, " w9")]
    assert result.context == (BEGIN, 7, BEGIN + 100, BEGIN + 900, 9, BEGIN + 1450)


def test_a_window_that_a_silence_ends_does_not_reach_into_what_follows() -> None:
    samples = np.zeros(64_000, np.int16)
    window = Window(2, 60.0, 64.0, samples, Passage(400, 0, 1.0, (), 58.0), non_speech=((64.0, 70.0),))
    tokens = (BEGIN, 7, BEGIN + 1400, BEGIN + 1400, 8)
    decoded = Decoded(tokens, WeightlessVocabulary().decode(tokens), -0.2, 0.0)
    result = WindowTranscript(Work(window, DecodeOptions("base"), "en"), decoded, WeightlessVocabulary()).result(
        ENGLISH, ""
    )
    assert result.end == 64.0


def test_where_no_voice_is_heard_whisper_must_be_sure() -> None:
    tokens = (BEGIN, 7, BEGIN + 100)
    window = Window(
        2, 60.0, 90.0, np.zeros(480_000, np.int16), Passage(3000, 0, 1.0, (1, 2, 3), 58.0), non_speech=((55.0, 95.0),)
    )
    work = Work(window, DecodeOptions("base", hotwords="Acme"), "en")
    assert prompt_of(work, WeightlessVocabulary()) == ()
    texts = {}
    for figures in ((-0.9, 0.5), (-0.4, 0.8), (-0.7, 0.8), (-1.1, 0.1)):
        result = WindowTranscript(work, Decoded(tokens, " w7", *figures), WeightlessVocabulary()).result(ENGLISH, "")
        texts[figures] = "".join(segment.text for segment in result.segments)
        assert result.context[:3] == (1, 2, 3), "what was said before prompts what comes after"
    assert texts == {(-0.9, 0.5): " w7", (-0.4, 0.8): " w7", (-0.7, 0.8): "", (-1.1, 0.1): ""}

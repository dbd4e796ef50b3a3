"""What speaks against a segment of the machine's."""

from __future__ import annotations

from typing import Any

import pytest

from transcription.engine.types import Span
from transcription.models import Segment, Transcription
from transcription.transcripts.doubts import doubts_of, is_unsure, longest_loop, missed_speech, stock_share


def segment(text: str = " Good morning, everybody.", **figures: Any) -> Segment:
    usual = {"avg_logprob": -0.3, "no_speech_prob": 0.05, "temperature": 0.0}
    return Segment(text=text, **(usual | figures))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (segment(), []),
        (segment(avg_logprob=-0.95), [("unlikely", -0.95)]),
        (segment(no_speech_prob=0.7), [("no_speech", 0.7)]),
        (segment(non_speech_share=0.85), [("no_voice", 0.85)]),
        (segment(non_speech_share=0.75), []),
        (segment(temperature=0.8), [("guess", 0.8)]),
        (segment(" No no no no no."), [("repetition", 5)]),
        (segment(" Thanks for watching!"), [("stock_phrase", 1.0)]),
        (segment(" 请不吝点赞 订阅", no_speech_prob=0.9), [("no_speech", 0.9), ("stock_phrase", 0.714)]),
        (segment(" Thanks for watching!", corrected=True, avg_logprob=-2.0), []),
    ],
)
def test_each_reason_has_its_figure(found: Segment, expected: list[tuple[str, float]]) -> None:
    assert [(doubt.kind, doubt.figure) for doubt in doubts_of(found)] == expected
    assert all(doubt.sentence for doubt in doubts_of(found))


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("", 1),
        ("a very, very good day", 2),
        ("I'm going to go. I'm going to go. I'm going to go.", 3),
        ("the cat the dog the cat the dog", 2),
        ("谢谢谢谢谢谢", 6),
        ("one two three four", 1),
    ],
)
def test_a_loop_is_counted_by_words_and_ideographs(text: str, times: int) -> None:
    assert longest_loop(text) == times


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], [(3.0, 6.0), (29.0, 31.5)]),
        ([(0.0, 2.5), (6.5, 20.0)], [(3.0, 6.0), (29.0, 31.5)]),
        ([(1.0, 4.0), (8.0, 9.0)], [(4.5, 6.0), (29.0, 31.5)]),
        ([(4.4, 4.6), (20.0, 40.0)], []),
        ([(2.0, 10.0), (3.0, 4.0), (29.7, 30.0)], [(30.5, 31.5)]),
    ],
    ids=["no text", "text beside it", "the end is left", "too little is left", "segments that overlap"],
)
def test_speech_without_text_is_what_no_correction_covers(texts: list[Span], expected: list[Span]) -> None:
    row = Transcription(missed_speech=[[3.0, 6.0], [29.0, 30.0], [30.2, 31.5]])
    assert missed_speech(row, texts) == expected


def test_a_word_is_unsure_below_one_half_and_never_where_a_person_put_it() -> None:
    unsure, sure, new = {"word": " a", "probability": 0.49}, {"word": " b", "probability": 0.5}, {"word": " c"}
    assert [is_unsure(segment(), word) for word in (unsure, sure, new)] == [True, False, False]
    assert not is_unsure(segment(corrected=True), unsure)


def test_a_phrase_that_is_said_among_other_things_is_no_stock_phrase() -> None:
    assert stock_share("He closed with thanks for watching over the house while they were away.") < 0.6

"""What speaks against a segment of the machine's."""

from __future__ import annotations

from typing import Any

import pytest

from transcription.models import Segment
from transcription.transcripts.doubts import doubts_of, longest_loop, stock_share


def segment(text: str = " Good morning, everybody.", **figures: Any) -> Segment:
    usual = {"avg_logprob": -0.3, "no_speech_prob": 0.05, "temperature": 0.0}
    return Segment(text=text, **(usual | figures))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (segment(), []),
        (segment(avg_logprob=-0.95), [("unlikely", -0.95)]),
        (segment(no_speech_prob=0.7), [("no_speech", 0.7)]),
        (segment(temperature=0.8), [("guess", 0.8)]),
        (segment(" No no no no no."), [("repetition", 5)]),
        (segment(" Thanks for watching!"), [("stock_phrase", 1.0)]),
        (segment(" 请不吝点赞 订阅", no_speech_prob=0.9), [("no_speech", 0.9), ("stock_phrase", 0.714)]),
        (segment(" Thanks for watching!", revision=3, avg_logprob=-2.0), []),
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


def test_a_phrase_that_is_said_among_other_things_is_no_stock_phrase() -> None:
    assert stock_share("He closed with thanks for watching over the house while they were away.") < 0.6

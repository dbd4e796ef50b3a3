"""The order in which a transcript is proofread."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from transcription.models import Segment
from transcription.transcripts.alike import search_of
from transcription.transcripts.ranking import Passage, passages_of, ranked


def segment(text: str, *probabilities: float, start: float = 0.0, **figures: Any) -> Segment:
    """A segment of a second a word, with the words' probabilities if any are given."""
    spoken = text.split()
    words = [
        {"word": f" {word}", "start": start + at, "end": start + at + 1, "probability": probability}
        for at, (word, probability) in enumerate(zip(spoken, probabilities, strict=False))
    ]
    usual = {"avg_logprob": -0.2, "no_speech_prob": 0.05, "temperature": 0.0}
    return Segment(text=f" {text}", words=words, start=start, end=start + len(spoken), **(usual | figures))


def shown(passage: Passage) -> str:
    return passage.segment.text.strip()[passage.first : passage.last] if passage.segment else ""


def test_the_unlikeliest_words_come_first_and_surely_heard_ones_last() -> None:
    sure = segment("Good morning, everybody here.", 0.99, 0.98, 0.97, 0.99, start=0.0)
    mixed = segment("We met Mr. Zau al-Makan at noon.", 0.99, 0.99, 0.95, 0.1, 0.2, 0.99, 0.98, start=10.0)
    order = ranked([sure, mixed])
    assert shown(order[0]) == "Zau al-Makan"
    assert (order[0].start, order[0].end, order[0].words) == (13.0, 15.0, 2)
    assert {shown(passage) for passage in order[1:]} == {"Good morning, everybody here.", "We met Mr.", "at noon."}
    assert all(before.chance >= after.chance for before, after in pairwise(order))


def test_what_is_half_as_doubtful_as_its_neighbour_is_read_with_it_and_the_rest_apart() -> None:
    found = segment("we came to Nirvana Peak near the East again", 0.99, 0.99, 0.99, 0.1, 0.2, 0.4, 0.99, 0.99, 0.99)
    assert [shown(passage) for passage in passages_of(found)] == [
        "we came to",
        "Nirvana Peak",
        "near",
        "the East again",
    ]
    assert shown(ranked([found])[0]) == "Nirvana Peak"


def test_a_word_whose_parts_are_unlikely_together_comes_before_one_that_is_as_likely_on_average() -> None:
    spelled = segment("the shuslar types", 0.99, 0.4, 0.99)
    plain = segment("the wicker chairs", 0.99, 0.39, 0.99, start=10.0)
    assert shown(ranked([spelled, plain])[0]) == "wicker", "what was heard before both probabilities were kept"
    for one, joint in ((spelled, 0.1), (plain, 0.39)):
        for word in one.words:
            word["joint_probability"] = word["probability"]
        one.words[1]["joint_probability"] = joint
    assert shown(ranked([spelled, plain])[0]) == "shuslar"


@pytest.mark.parametrize("probabilities", [(), (0.9,) * 30, (0.1, 0.9) * 15, (0.05,) * 30, (0.9,) * 12])
def test_every_word_is_in_one_passage(probabilities: tuple[float, ...]) -> None:
    text = " ".join(f"word{number}" for number in range(30))
    parts = list(passages_of(segment(text, *probabilities)))
    assert " ".join(map(shown, parts)) == text
    assert sum(part.words for part in parts) == 30


def test_loops_text_over_silence_and_speech_without_text_come_before_doubtful_words() -> None:
    loop = segment("no no no no no", *[0.99] * 5, start=0.0)
    silence = segment("I see it now", *[0.99] * 4, start=10.0, non_speech_share=0.9)
    stock = segment("Thanks for watching!", *[0.99] * 3, start=20.0)
    doubtful = segment("the Helstone vicar", 0.99, 0.4, 0.99, start=30.0)
    order = ranked([doubtful, loop, silence, stock], gaps=[(40.0, 43.0)])
    assert (order[0].segment, order[0].start, order[0].end) == (None, 40.0, 43.0)
    assert [shown(passage) for passage in order[1:5]] == [
        "no no no no no", "I see it now", "Thanks for watching!", "Helstone",
    ]  # fmt: skip
    assert order[1].kinds == ("repetition",)


def test_where_words_were_not_timed_unlikely_segments_come_first() -> None:
    order = ranked([segment("It is clear."), segment("Is it though?", avg_logprob=-0.9), segment("谢谢你")])
    assert [shown(passage) for passage in order] == ["Is it though?", "It is clear.", "谢谢你"]
    assert [passage.words for passage in order] == [3, 3, 3]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("We saw Helstern, today.", "We saw Helstone, today.", ("Helstern", "Helstone")),
        ("He said “Helstern.”", "He said “Helstone.”", ("Helstern", "Helstone")),
        ("in new york city", "in New York city", ("new york", "New York")),
        ("我们开帐了", "我们开账了", ("帐", "账")),
        ("so on and on", "so on", None),
        ("a b c d e f g h i", "j k l m n o p q r", None),
        ("the same", "the same", None),
    ],
)
def test_the_words_that_a_correction_replaced_are_found(
    before: str, after: str, expected: tuple[str, str] | None
) -> None:
    found = search_of(before, after)
    assert (found and (found.find, found.replacement)) == expected

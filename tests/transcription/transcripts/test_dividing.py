"""Dividing a segment, and joining two: words keep their times, doubts and speakers stay with what is said."""

from __future__ import annotations

from typing import Any

import pytest

from transcription.models import Segment
from transcription.scripts import is_grapheme_boundary
from transcription.transcripts.doubts import doubts_of
from transcription.transcripts.segment_edits import divided, field_values, joined


def fields(text: str, start: float = 0.0, **more: Any) -> dict[str, Any]:
    """Returns a segment of one word a second, with a pause of half a second after each."""
    words = [
        {"word": f" {word}", "start": start + at, "end": start + at + 0.5, "probability": 0.4, "joint_probability": 0.2}
        for at, word in enumerate(text.split())
    ]
    given = {"start": start, "end": start + len(words), "text": f" {text}", "words": words, "tokens": [1, 2]}
    return field_values(Segment(**given | more))


def timed(part: dict[str, Any]) -> list[tuple[str, float, float]]:
    return [(word["word"], word["start"], word["end"]) for word in part["words"]]


def test_both_halves_have_their_words_with_their_times_and_probabilities() -> None:
    whole = fields("the quick brown fox", speaker=1, overlap=True, avg_logprob=-2.0)
    left, right = divided(whole, len("the quick"))
    assert timed(left) + timed(right) == timed(whole)
    assert (left["text"], left["start"], left["end"]) == (" the quick", 0.0, 1.5)
    assert (right["text"], right["start"], right["end"]) == (" brown fox", 2.0, 4.0)
    for half in (left, right):
        assert (half["speaker"], half["overlap"], half["corrected"], half["tokens"]) == (1, True, False, [])
        assert [doubt.kind for doubt in doubts_of(Segment(**half))] == ["unlikely"]


def test_a_word_that_is_divided_shares_its_time_and_stays_doubtful() -> None:
    left, right = divided(fields("everybody sings"), len("every"))
    assert timed(left) == [(" every", 0.0, 0.278)]
    assert timed(right) == [(" body", 0.278, 0.5), (" sings", 1.0, 1.5)]
    assert [word["probability"] for word in left["words"] + right["words"]] == [0.4, 0.4, 0.4]


def test_joined_halves_are_the_segment_again() -> None:
    whole = fields("the quick brown fox", speaker=0)
    again = joined(*divided(whole, len("the quick")))
    assert again == whole | {"tokens": []}


def test_what_was_doubted_stays_doubted_when_it_is_joined() -> None:
    sure, doubtful = fields("good morning"), fields("thanks", 2.0, no_speech_prob=0.9, temperature=0.8, overlap=True)
    for pair in ((sure, doubtful), (doubtful, sure)):
        whole = Segment(**joined(*pair))
        assert [doubt.kind for doubt in doubts_of(whole)] == ["no_speech", "guess"]
        assert whole.overlap


def test_a_corrected_half_vouches_for_its_words_only() -> None:
    whole = joined(fields("right words", corrected=True), fields("maybe wrong", 2.0, avg_logprob=-2.0))
    for name in ("probability", "joint_probability"):
        assert [name in word for word in whole["words"]] == [False, False, True, True]
    assert [doubt.kind for doubt in doubts_of(Segment(**whole))] == ["unlikely"]
    assert joined(fields("one", corrected=True), fields("two", 1.0, corrected=True))["corrected"]


@pytest.mark.parametrize(("first", "second", "expected"), [(0, 1, 0), (None, 1, 1), (2, None, 2), (None, None, None)])
def test_a_joined_segment_is_the_first_ones_or_who_is_known(first: Any, second: Any, expected: Any) -> None:
    assert joined(fields("a", speaker=first), fields("b", 1.0, speaker=second))["speaker"] == expected


@pytest.mark.parametrize(
    "text",
    ["e\u0301", "👍🏽", "👨\u200d👩\u200d👧", "🇩🇪", "✌\ufe0f", "\u1112\u1161\u11ab", "ก\u0e47"],
)
def test_what_a_person_sees_as_one_character_is_not_divided(text: str) -> None:
    inside = [is_grapheme_boundary(f"a{text}b", at) for at in range(2, 1 + len(text))]
    assert not any(inside)
    assert is_grapheme_boundary(f"a{text}b", 1)
    assert is_grapheme_boundary(f"a{text}b", 1 + len(text))


def test_flags_are_divided_in_pairs() -> None:
    assert [at for at in range(9) if is_grapheme_boundary("🇩🇪🇫🇷🇨🇳.", at)] == [0, 2, 4, 6, 7, 8]

"""Scripts find a word in the text by the position that its mark names."""

from __future__ import annotations

import pytest

from portal.web.word_positions import word_positions
from transcription.models import Segment


def segment(text: str, *words: str) -> Segment:
    return Segment(text=text, words=[{"word": word, "start": float(n), "end": n + 0.5} for n, word in enumerate(words)])


@pytest.mark.parametrize(
    ("text", "words", "places"),
    [
        (" The fox, the dog.", (" The", " fox,", " the", " dog."), [(0, 3), (4, 8), (9, 12), (13, 17)]),
        ("狐狸跳", ("狐狸", "跳"), [(0, 2), (2, 3)]),
        (" 😀 fox", (" 😀", " fox"), [(0, 2), (3, 6)]),
        (" fox", (" wolf", " fox", " "), [(0, 3)]),
        (" fox", (), []),
    ],
    ids=["English", "Chinese", "UTF-16", "words that are not there", "no words"],
)
def test_marks_are_places_in_the_trimmed_text(text: str, words: tuple[str, ...], places: list[tuple[int, int]]) -> None:
    assert [mark[:2] for mark in word_positions(segment(text, *words))] == places


def test_a_mark_has_the_seconds_of_its_own_word() -> None:
    assert word_positions(segment(" fox", " wolf", " fox")) == [(0, 3, 1.0, 1.5)]

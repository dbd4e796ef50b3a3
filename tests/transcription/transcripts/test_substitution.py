"""Finding and replacing text: what is a hit, and what a text becomes."""

from __future__ import annotations

from typing import Any

import pytest

from transcription.errors import InvalidOption
from transcription.transcripts.substitution import Search, checked_search


@pytest.mark.parametrize(
    ("search", "text", "expected"),
    [
        (Search("mueller"), "Mueller met MUELLER.", [0, 12]),
        (Search("Mueller", match_case=True), "mueller met Mueller.", [12]),
        (Search("he"), "the hen, he said", [1, 4, 9]),
        (Search("he", whole_words=True), "the hen, he said", [9]),
        (Search("会议", whole_words=True), "董事会议纪要", [2]),
        (Search("a.c"), "abc a.c", [4]),
        (Search("$5", whole_words=True), "US$5 or $5", [2, 8]),
        (Search("e"), "cafe\u0301 e", [6]),
        (Search("👨"), "👨\u200d👩 👨", [4]),
        (Search("aa"), "aaaa", [0, 2]),
    ],
)
def test_a_hit_is_what_a_person_takes_for_one(search: Search, text: str, expected: list[int]) -> None:
    assert list(search.places(text)) == expected


def test_only_what_is_ticked_is_replaced_and_spaces_close_up() -> None:
    search = Search("um, ", "")
    assert search.replaced("So um, we um, go", [3]) == "So we um, go"
    assert Search("um").replaced("We um go", [3]) == "We go"


@pytest.mark.parametrize(
    "body",
    [
        {"find": ""},
        {"find": "  "},
        {"find": None},
        {"find": "x" * 201},
        {"find": "x", "replacement": 5},
        {"find": "x", "replacement": "y" * 1001},
        {"find": "x", "match_case": "yes"},
    ],
)
def test_nonsense_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        checked_search(**body)

"""What terms replace in a text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcription.transcripts.spellings import Spellings, folded

TERMS = [
    ("Kubernetes", ["cubernetis", "kuber netes"]),
    ("iPhone", ["eye phone", "iphone"]),
    ("database", ["data base"]),
    ("陈伟", ["陈维", "程伟"]),
    ("Big Apple", ["apple"]),
    ("C++", ["see plus plus"]),
    ("AS", ["as"]),
    ("New York City", ["new york"]),
    ("a.b", ["a.*b"]),
]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("We run CUBERNETIS, and kuber netes.", "We run Kubernetes, and Kubernetes."),
        ("cubernetises and precubernetis stay", "cubernetises and precubernetis stay"),
        ("The cubernetis's pods, two eye phones.", "The Kubernetes's pods, two iPhones."),
        ("Data base first. Data base next, Data base last.", "Database first. Database next, database last."),
        ("Eye phone first.", "iPhone first."),
        ("请问陈维在吗，程伟呢", "请问陈伟在吗，陈伟呢"),
        ("用cubernetis部署", "用Kubernetes部署"),
        ("The Big Apple is an apple.", "The Big Apple is an Big Apple."),
        ("New York City, not New York.", "New York City, not New York City."),
        ("I ask as ass.", "I ask AS ass."),
        ("see plus plus code", "C++ code"),
        ("axxxb and a.*b", "axxxb and a.b"),
        ("İ cubernetis", "İ Kubernetes"),
        ("", ""),
        ("x", "x"),
    ],
)
def test_whole_words_are_replaced_and_written_as_the_term_says(text: str, written: str) -> None:
    assert Spellings.of(TERMS).replaced(text) == written


@pytest.mark.parametrize("text", ["We run Cubernetis.", "请问陈维在吗", "Eye phones, data base."])
def test_replacing_again_changes_nothing(text: str) -> None:
    spellings = Spellings.of(TERMS)
    once = spellings.replaced(text)
    assert spellings.replaced(once) == once != text


WORDS = st.sampled_from(["ab", "abc", "bc", "cd", "de"])
LISTS = st.lists(st.tuples(WORDS.map(str.upper), st.lists(WORDS, max_size=2)), max_size=3)


@given(LISTS, LISTS, st.lists(WORDS, max_size=8))
def test_what_a_later_list_says_of_a_word_counts_before_an_earlier_one_s(
    earlier: list[tuple[str, list[str]]], later: list[tuple[str, list[str]]], words: list[str]
) -> None:
    first, last, both = Spellings.of(earlier), Spellings.of(later), Spellings.of(earlier, later)
    said = {folded(text) for text, _spellings in later} | {one for _text, spellings in later for one in spellings}
    written = [(last if word in said else first).replaced(word) for word in words]
    assert both.replaced(" ".join(words)) == " ".join(written)


def test_ten_thousand_terms_that_all_begin_alike_are_fast() -> None:
    """The worst that a tenant can do to itself: every place in the text begins as every term does."""
    terms = [("一" * 50 + f"{n}", ["一" * (n % 57 + 2) + f"{n % 10}"]) for n in range(10_000)]
    spellings, text = Spellings.of(terms), "一" * 60
    began = time.process_time()
    for _ in range(200):
        spellings.replaced(text)
    assert time.process_time() - began < 2  # of 30,000 segments: below five minutes

"""What two passes agree on is firm, and stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcription.live.agreement import Agreement, Heard, words_of

WORDS = st.lists(st.sampled_from(["one", "two", "two,", "Three.", "ä", "字"]), max_size=12)


def heard(words: list[str], end: float = 1.0) -> Heard:
    return Heard(end, "".join(f" {word}" for word in words))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=3), max_size=6), st.data())
def test_firm_text_is_the_beginning_of_every_later_text(passes: list[list[list[str]]], data: st.DataObject) -> None:
    agreement, told = Agreement(), ""
    for segments in passes:
        sound = [heard(words, number + 1.0) for number, words in enumerate(segments)]
        full = data.draw(st.booleans())
        progress = agreement.take_full(sound, 9.0) if full else agreement.take(sound, data.draw(st.booleans()))
        told += progress.added
        assert agreement.firm == told
        assert agreement.text == told + progress.partial
    told += agreement.finish([heard(data.draw(WORDS))])
    assert agreement.text == told


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=30), st.data())
def test_nothing_is_lost_and_nothing_doubled_where_passes_hear_right(spoken: list[str], data: st.DataObject) -> None:
    """A word is a second; each pass mishears the last one that it is given, and bounds segments where it likes."""
    agreement, start, now = Agreement(), 0, 0
    while now < len(spoken):
        now += data.draw(st.integers(1, 6))
        words = spoken[start:now]
        edges = sorted({*data.draw(st.lists(st.integers(1, len(words)), max_size=3)), len(words)}) if words else []
        words = [*words[:-1], data.draw(st.sampled_from([*words[-1:], "noise"]))] if words else []
        begins = [0, *edges[:-1]]
        segments = [heard(words[a:b], float(b)) for a, b in zip(begins, edges, strict=True)]
        start += int(agreement.take(segments, may_cut=data.draw(st.booleans())).cut)
    agreement.finish([heard(spoken[start:])])
    assert words_of(agreement.text) == [f" {word}" for word in spoken]


def test_a_word_is_firm_when_two_passes_hear_it_and_another_follows() -> None:
    agreement = Agreement()
    assert agreement.take([Heard(1.0, " The quick brow.")]).added == ""
    second = agreement.take([Heard(2.0, " the quick, brown fox")])
    assert (second.added, second.partial) == (" the quick,", " brown fox")


def test_sound_is_let_go_at_the_end_of_a_firm_segment_that_another_follows() -> None:
    agreement = Agreement()
    agreement.take([Heard(2.0, " One two."), Heard(3.0, " Three four")])
    progress = agreement.take([Heard(2.0, " One two."), Heard(4.0, " Three four five")], may_cut=True)
    assert (progress.added, progress.cut) == (" One two. Three four", 2.0)
    assert agreement.finish([Heard(2.0, " Three four five six.")]) == " five six."


def test_a_pass_that_can_hear_no_more_settles_all_but_its_last_segment() -> None:
    agreement = Agreement()
    progress = agreement.take_full([Heard(12.0, " One two."), Heard(28.0, " Three fo")], 28.0)
    assert (progress.added, progress.partial, progress.cut) == (" One two.", " Three fo", 12.0)
    assert agreement.take_full([Heard(16.0, " Three four")], 28.0) == agreement.take_full([], 28.0).__class__(
        " Three four", "", 28.0
    )


@pytest.mark.parametrize(
    ("first", "second", "added"),
    [
        ("今天天", "今天天气很", "今天天"),
        ("今天天气很好我们", "今天天气很好，我们去", "今天天气很好，我们"),
        ("今天，天气", "今天天气。很", "今天天气。"),
        ("我们用 Kubernetes 部", "我们用 Kubernetes 部署", "我们用 Kubernetes 部"),
        ("いい天気です", "いい天気ですね、", "いい天気です"),
        ("ｶﾞｷﾞ𠮷野", "ｶﾞｷﾞ𠮷野家", "ｶﾞｷﾞ𠮷野"),
        ("วันนี้อากาศ", "วันนี้อากาศดี", "วันนี้อากาศ"),
        (" 오늘 날씨가", " 오늘 날씨가 좋다", " 오늘 날씨가"),
        (" One – two", " One, two three", " One, two"),
    ],
)
def test_scripts_without_spaces_agree_by_the_character_and_punctuation_counts_nowhere(
    first: str, second: str, added: str
) -> None:
    agreement = Agreement()
    agreement.take([Heard(1.0, first)])
    assert agreement.take([Heard(2.0, second)]).added == added

"""Subtitles that fit on a screen, whatever was said."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import docx
import pysubs2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transcription.errors import InvalidOption
from transcription.exports import Cue, Layout, split_into_cues, subrip, webvtt
from transcription.exports.document import word_document
from transcription.models import Recording, Segment, Transcription
from transcription.scripts import line_break_units, width
from transcription.segments.bounds import clamped_times

# A busy machine is slow.
calmly = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
LATIN = st.sampled_from(
    ["a", "fox", "jumps,", "over.", "“Really?”", "dog…", "(well)", "incomprehensibilities", "é", "-->"]
)
HAN = st.sampled_from(["会", "议", "纪要。", "在", "，", "「你好」", "ー", "スペース", "!"])
TEXTS = st.one_of(
    st.lists(LATIN, max_size=40).map(" ".join),
    st.lists(HAN, max_size=60).map("".join),
    st.lists(st.one_of(LATIN, HAN), max_size=40).map(" ".join),
    st.text(max_size=120),
)
LAYOUTS = st.builds(Layout, st.integers(10, 60), st.integers(1, 4))


@st.composite
def segments(draw: st.DrawFn) -> list[Segment]:
    """In order; some with timed words, some of whose words are of another text or out of order."""
    now, found = 0.0, []
    for index, text in enumerate(draw(st.lists(TEXTS, max_size=5))):
        start = now + draw(st.floats(0, 3))
        now = start + draw(st.floats(0, 20))
        start, now = clamped_times(start, now, 0.0, now + 1.0)
        words = draw(st.one_of(st.just([]), timed(text, start, now), timed("other words", start, now)))
        found.append(Segment(index=index, start=start, end=now, text=f" {text}", words=words))
    return found


def timed(text: str, start: float, end: float) -> st.SearchStrategy[list[dict[str, Any]]]:
    pieces = line_break_units(text)
    moments = st.floats(start - 1, end + 1)
    return st.lists(st.tuples(moments, moments), min_size=len(pieces), max_size=len(pieces)).map(
        lambda times: [
            {"word": piece, "start": a, "end": b, "probability": 0.5}
            for piece, (a, b) in zip(pieces, times, strict=True)
        ]
    )


def bare(text: str) -> str:
    return "".join(text.split())


@calmly
@given(segments(), LAYOUTS)
def test_every_word_is_there_in_order(pieces: list[Segment], layout: Layout) -> None:
    for piece in pieces:
        shown = "".join(bare(line) for cue in split_into_cues([piece], layout) for line in cue.lines)
        assert shown == bare(piece.text)


@calmly
@given(st.lists(LATIN, max_size=40), LAYOUTS)
def test_words_that_have_spaces_are_never_cut(words: list[str], layout: Layout) -> None:
    cues = split_into_cues([said(" ".join(words))], layout)
    assert [word for cue in cues for line in cue.lines for word in line.split()] == words


@calmly
@given(segments(), LAYOUTS)
def test_lines_hold_unless_one_word_is_longer(pieces: list[Segment], layout: Layout) -> None:
    for cue in split_into_cues(pieces, layout):
        assert 1 <= len(cue.lines) <= layout.max_lines
        for line in cue.lines:
            assert line == line.strip() != ""
            assert width(line) <= layout.max_line_length or len(line_break_units(line)) == 1


@calmly
@given(segments(), LAYOUTS)
def test_times_are_in_order_and_within_their_segments(pieces: list[Segment], layout: Layout) -> None:
    for piece in pieces:
        now, cues = piece.start, list(split_into_cues([piece], layout))
        for cue in cues:
            assert piece.start <= cue.start < cue.end <= piece.end
            assert now <= cue.start or len(cues) > (piece.end - piece.start) * 1000
            now = cue.end


@calmly
@given(segments(), LAYOUTS)
def test_no_cue_ends_when_it_starts(pieces: list[Segment], layout: Layout) -> None:
    for shown in (None, layout):
        for text in (subrip(pieces, shown), webvtt(pieces, shown)):
            times = [line.split(" --> ") for line in text.splitlines() if " --> " in line]
            assert all(start < end for start, end in times)


@calmly
@given(segments(), LAYOUTS)
def test_another_reader_finds_the_same_cues(pieces: list[Segment], layout: Layout) -> None:
    wanted = list(split_into_cues(pieces, layout))
    for text, format in ((subrip(pieces, layout), "srt"), (webvtt(pieces, layout), "vtt")):
        read = pysubs2.SSAFile.from_string(text, format_=format)
        assert len(read) == len(wanted)
        for event, cue in zip(read, sorted(wanted, key=lambda one: one.start), strict=True):
            assert abs(event.start - cue.start * 1000) <= 1
            assert abs(event.end - cue.end * 1000) <= 1


def said(text: str, words: list[dict[str, Any]] | None = None, start: float = 0.0, end: float = 10.0) -> Segment:
    return Segment(index=0, start=start, end=end, text=text, words=words or [])


def test_a_cue_ends_where_its_last_word_does_and_the_next_begins_with_its_first() -> None:
    text = "One two three four. Five six"
    words = [
        {"word": f" {word}", "start": start, "end": start + 0.5, "probability": 1.0}
        for word, start in zip(text.split(), (0.5, 1.0, 2.0, 3.0, 7.0, 8.0), strict=True)
    ]
    assert list(split_into_cues([said(text, words)], Layout(20, 1))) == [
        Cue(0.0, 3.5, ("One two three four.",)),
        Cue(7.0, 10.0, ("Five six",)),
    ]


def test_without_words_the_time_is_shared_by_characters() -> None:
    cues = list(split_into_cues([said("aaaaaaaaaa bbbbbbbbbb")], Layout(10, 1)))
    assert cues == [Cue(0.0, 5.0, ("aaaaaaaaaa",)), Cue(5.0, 10.0, ("bbbbbbbbbb",))]


def test_a_break_prefers_the_end_of_a_sentence_then_a_pause() -> None:
    assert lines("We went home. Then it rained all day", Layout(24, 1))[0] == "We went home."
    assert lines("We went home, then it rained all day", Layout(24, 1))[0] == "We went home,"
    assert lines("We went home and then it rained all day", Layout(24, 1))[0] == "We went home and then it"
    assert lines("“Really?” he said to her and left", Layout(14, 1))[0] == "“Really?”"


def test_chinese_is_broken_by_width_and_no_line_begins_with_its_punctuation() -> None:
    shown = lines("今天的会议纪要已经写好了，请大家看一看。谢谢", Layout(16, 1))
    assert "".join(shown) == "今天的会议纪要已经写好了，请大家看一看。谢谢"
    assert all(width(line) <= 16 for line in shown)
    assert not any(line[0] in "，。" for line in shown)


def lines(text: str, layout: Layout) -> list[str]:
    return [line for cue in split_into_cues([said(text)], layout) for line in cue.lines]


def test_a_segment_without_text_has_no_cue() -> None:
    assert list(split_into_cues([said("  ")])) == list(split_into_cues([said("  ")], Layout())) == []


@pytest.mark.parametrize("given_", ["9", "201", "-1", "x", "4.2", "²", "99999999999999999999"])
def test_lengths_have_bounds(given_: str) -> None:
    with pytest.raises(InvalidOption):
        Layout.checked(given_, None)
    with pytest.raises(InvalidOption):
        Layout.checked(None, "11")
    assert Layout.checked(None, "") is None
    assert Layout.checked("30", None) == Layout(30, 2)
    assert Layout.checked(None, "1") == Layout(42, 1)


@calmly
@given(st.lists(st.text(max_size=80), max_size=4), st.text(max_size=80))
def test_no_text_breaks_a_word_document(texts: list[str], name: str) -> None:
    row = Transcription(
        recording=Recording(name=f"{name}\x00\ud800\ufffe", duration_seconds=9.0), detected_language="en"
    )
    hostile = ["]]></w:t><w:p>\x0b\x1b", "\ud83d alone", *texts]
    body = word_document(row, [Segment(index=i, start=i, end=i + 1, text=text) for i, text in enumerate(hostile)])
    assert zipfile.ZipFile(io.BytesIO(body)).testzip() is None
    shown = [paragraph.text for paragraph in docx.Document(io.BytesIO(body)).paragraphs]
    assert "[0:00:00]\u2002]]></w:t><w:p>" in shown
    assert "[0:00:01]\u2002alone" in shown

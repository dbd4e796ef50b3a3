"""Computes the fields of corrected segments from the former segments."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transcription.models import Segment
from transcription.scripts import with_leading_space
from transcription.segments.word_times import align_words, in_order
from transcription.transcripts.checks import carried
from transcription.transcripts.timeline import Timeline

SegmentFields = dict[str, Any]
FIELD_NAMES = (
    "start", "end", "text", "seek", "tokens", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob",
    "non_speech_share", "words", "language", "speaker", "overlap", "corrected", "checks",
)  # fmt: skip
SHORTEST_PART = 0.001  # seconds that a division leaves
PROBABILITIES = ("probability", "joint_probability")
WORST_IS_HIGHEST = ("temperature", "compression_ratio", "no_speech_prob", "non_speech_share")


@dataclass(frozen=True)
class SegmentEdit:
    """The times, in seconds, and stripped text that a correction gives a segment."""

    start: float
    end: float
    text: str


def field_values(segment: Segment) -> SegmentFields:
    return {name: getattr(segment, name) for name in FIELD_NAMES}


def apply_edits(former: Sequence[SegmentFields], edits: Sequence[SegmentEdit]) -> list[SegmentFields]:
    """Returns the segments that replace the former ones. Both arguments are ordered by start.

    Unchanged segments keep all their fields. In changed ones words keep their times (segments/word_times.py), the
    figures are those of the former segment at the new start, and there are no tokens, which would spell another text.
    Another text has not been checked.
    """
    by_times = {(segment["start"], segment["end"]): segment for segment in former}
    timed_words, starts = _TimedWords(former), [segment["start"] for segment in former]
    segments = []
    for edit in edits:
        same = by_times.get((edit.start, edit.end))
        if same is not None and same["text"].strip() == edit.text:
            segments.append(same)
            continue
        text = with_leading_space(edit.text)
        words = same["words"] if same is not None else timed_words.within(edit.start, edit.end)
        before = same or _nearest(former, starts, edit)
        changes = {"start": edit.start, "end": edit.end, "text": text, "tokens": []}
        changes["words"] = align_words(text, words, edit.start, edit.end)
        if before["text"].strip() != edit.text:
            changes |= {"corrected": True, "checks": []}
        segments.append(before | changes)
    return segments


def divided(fields: SegmentFields, position: int, at: float | None = None) -> tuple[SegmentFields, SegmentFields]:
    """Returns both parts of a segment, divided before the character at `position` of its stripped text.

    at: the time of the division in seconds, by default when the characters beside it are spoken. Words keep their
    times; one that is divided itself shares its own by characters. The rest of both parts is the segment's. Their
    times may be wrong where the segment is too short, or `at` outside it.
    """
    text = fields["text"].strip()
    left, right = text[:position].strip(), text[position:].strip()
    offset = len("".join(left.split()))
    times = Timeline(fields["text"], fields["words"], fields["start"], fields["end"])
    until, since = (times.end_before(offset), times.start_after(offset)) if at is None else (at, at)
    until, since = (
        round(min(max(time, fields["start"] + SHORTEST_PART), fields["end"] - SHORTEST_PART), 3)
        for time in (until, since)
    )
    before, after = _divided_words(fields["words"], offset, times)
    return (
        _part(fields, fields["start"], until, left, before),
        _part(fields, since, fields["end"], right, after),
    )


def joined(former: SegmentFields, latter: SegmentFields) -> SegmentFields:
    """Returns one segment of two neighbours: the first one's, with what speaks against either of them.

    Its speaker is the second one's where nobody is known to speak in the first. Only what nobody has corrected is
    doubted: the words of a corrected half vouch for themselves and lose their probabilities.
    """
    halves = [former, latter]
    text = "".join(with_leading_space(half["text"].strip()) for half in halves)
    start, end = former["start"], max(half["end"] for half in halves)
    heard = [half for half in halves if not half.get("corrected")]
    words = [
        {name: value for name, value in word.items() if name not in PROBABILITIES or half in heard or not heard}
        for half in halves
        for word in half["words"]
    ]
    doubted = heard or halves
    return former | {
        "start": start,
        "end": end,
        "text": text,
        "tokens": [],
        "words": align_words(text, words, start, end),
        "avg_logprob": min(half["avg_logprob"] for half in doubted),
        **{name: max(half[name] for half in doubted) for name in WORST_IS_HIGHEST},
        "speaker": latter.get("speaker") if former.get("speaker") is None else former["speaker"],
        "overlap": any(half.get("overlap", False) for half in halves),
        "corrected": not heard,
        "checks": carried(halves, text.strip()),
    }


def shifted(fields: SegmentFields, seconds: float) -> SegmentFields:
    """Returns a segment with all its times moved."""
    times = {name: round(fields[name] + seconds, 3) for name in ("start", "end")}
    words = [word | {name: round(word[name] + seconds, 3) for name in ("start", "end")} for word in fields["words"]]
    return fields | times | {"words": words}


def _divided_words(
    words: Sequence[SegmentFields], offset: int, times: Timeline
) -> tuple[list[SegmentFields], list[SegmentFields]]:
    """Divides words before the character `offset` of what they spell, spaces not counted."""
    before, after, spoken = list[SegmentFields](), list[SegmentFields](), 0
    for word in words:
        text = word["word"]
        first, spoken = spoken, spoken + len("".join(text.split()))
        if spoken <= offset:
            before.append(word)
        elif first >= offset:
            after.append(word)
        else:
            left = len(text) - len(text.lstrip()) + offset - first  # a word has spaces at its ends only
            before.append(word | {"word": text[:left], "end": times.end_before(offset)})
            after.append(word | {"word": text[left:], "start": times.start_after(offset)})
    return before, after


def _part(fields: SegmentFields, start: float, end: float, text: str, words: list[SegmentFields]) -> SegmentFields:
    if words:
        words = [words[0] | {"word": with_leading_space(words[0]["word"].strip())}, *words[1:]]
    timed = list(in_order(words, start, end)) if start < end else words
    spoken: SegmentFields = {"text": with_leading_space(text), "tokens": [], "words": timed}
    return fields | {"start": start, "end": end, "checks": carried([fields], text)} | spoken


def _nearest(former: Sequence[SegmentFields], starts: list[float], edit: SegmentEdit) -> SegmentFields:
    if not former:  # the engine found no speech
        return field_values(Segment(seek=int(edit.start * 100)))
    return former[max(0, bisect_right(starts, edit.start) - 1)]


class _TimedWords:
    """The words of some segments, ordered by time; each is returned once."""

    def __init__(self, segments: Sequence[SegmentFields]) -> None:
        self._words = sorted((word for segment in segments for word in segment["words"]), key=_middle)
        self._next = 0

    def within(self, start: float, end: float) -> list[SegmentFields]:
        """Returns the words whose middle lies between `start` and `end`."""
        first = bisect_right(self._words, start, lo=self._next, key=lambda word: _middle(word) + 1e-9)
        self._next = bisect_right(self._words, end, lo=first, key=_middle)
        return self._words[first : self._next]


def _middle(word: SegmentFields) -> float:
    return float(word["start"] + word["end"]) / 2

"""Computes the fields of corrected segments from the former segments."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transcription.models import Segment
from transcription.scripts import with_leading_space
from transcription.segments.word_times import align_words

SegmentFields = dict[str, Any]
FIELD_NAMES = (
    "start", "end", "text", "seek", "tokens", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob",
    "non_speech_share", "words", "language", "speaker", "overlap", "checks",
)  # fmt: skip


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
        changes["checks"] = before["checks"] if before["text"].strip() == edit.text else []
        segments.append(before | changes)
    return segments


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

"""Segments as values: what a correction makes of those that stood there."""

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
    "words", "language",
)  # fmt: skip


@dataclass(frozen=True)
class SegmentEdit:
    """A segment as a person wants it: seconds, and text without spaces around it."""

    start: float
    end: float
    text: str


def field_values(segment: Segment) -> SegmentFields:
    return {name: getattr(segment, name) for name in FIELD_NAMES}


def apply_edits(former: Sequence[SegmentFields], wanted: Sequence[SegmentEdit]) -> list[SegmentFields]:
    """The segments that replace the former ones. Both are in the order of their starts.

    What is wanted as it stands is kept whole. Elsewhere words keep their times (wordtimes.py), the figures are those
    of the former segment in whose time it begins, and there are no tokens, which would spell another text.
    """
    standing = {(piece["start"], piece["end"]): piece for piece in former}
    heard, starts = _TimedWords(former), [piece["start"] for piece in former]
    pieces = []
    for one in wanted:
        same = standing.get((one.start, one.end))
        if same is not None and same["text"].strip() == one.text:
            pieces.append(same)
            continue
        like = same or _nearest(former, starts, one)
        text = with_leading_space(one.text)
        words = same["words"] if same is not None else heard.within(one.start, one.end)
        new = {"start": one.start, "end": one.end, "text": text, "tokens": []}
        pieces.append(like | new | {"words": align_words(text, words, one.start, one.end)})
    return pieces


def _nearest(former: Sequence[SegmentFields], starts: list[float], wanted: SegmentEdit) -> SegmentFields:
    if not former:  # where nobody spoke, a person writes
        return field_values(Segment(seek=int(wanted.start * 100)))
    return former[max(0, bisect_right(starts, wanted.start) - 1)]


class _TimedWords:
    """The words of some segments, each given out once, in order."""

    def __init__(self, pieces: Sequence[SegmentFields]) -> None:
        self._words = sorted((word for piece in pieces for word in piece["words"]), key=_middle)
        self._at = 0

    def within(self, start: float, end: float) -> list[SegmentFields]:
        """Those whose middle lies there."""
        first = bisect_right(self._words, start, lo=self._at, key=lambda word: _middle(word) + 1e-9)
        self._at = bisect_right(self._words, end, lo=first, key=_middle)
        return self._words[first : self._at]


def _middle(word: SegmentFields) -> float:
    return float(word["start"] + word["end"]) / 2

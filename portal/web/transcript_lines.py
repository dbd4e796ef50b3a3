"""The lines of a transcript on its page: segments with what speaks against them, and speech without text between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from transcription.models import Segment, Speaker, Status, Transcription
from transcription.options.speakers import OFF
from transcription.segments.word_places import placed_words
from transcription.strikes import redacted_segments, spans_of
from transcription.strikes.spans import Span
from transcription.transcripts.doubts import FIGURES, Doubt, doubts_of, is_unsure, missed_speech
from transcription.transcripts.striking import struck_places

MARKS = " ,.;:!?…，。；：！？、"
LINE_FIELDS = (
    "transcription", "index", "start", "end", "text", "words", "revision", "corrected", "speaker", "overlap", *FIGURES,
)  # fmt: skip
"""The fields of a segment that its line shows."""


class Piece(NamedTuple):
    """A part of a line's text: how sure the model was of it in percent, where it wasn't, and whether it is struck."""

    text: str
    percent: int | None
    struck: bool


@dataclass
class Line:
    """A segment, or without one a stretch of speech that has no text. Times are seconds.

    `struck` are the characters, from and to, that are struck; where they are masked instead, it `is_redacted`. `tag` is
    the one by which a share link corrects it, if it may.
    """

    start: float
    end: float
    segment: Segment | None = None
    doubts: list[Doubt] = field(default_factory=list)
    speaker: Speaker | None = None
    starts_turn: bool = False
    struck: list[tuple[int, int]] = field(default_factory=list)
    is_redacted: bool = False
    tag: str = ""

    @property
    def is_to_check(self) -> bool:
        return self.segment is None or bool(self.doubts)

    @property
    def key(self) -> str:
        """A part of ids of elements, of its own on the page."""
        return str(self.segment.pk) if self.segment else f"gap-{self.start}"

    @cached_property
    def pieces(self) -> list[Piece]:
        """The trimmed text in pieces: words that the model was unsure of, what is struck, and the rest."""
        segment = self.segment
        if segment is None:
            return []
        text = segment.text.strip()
        unsure = [
            (start, end, round(100 * word["probability"]))
            for start, end, word in placed_words(segment)
            if is_unsure(segment, word)
        ]
        edges = {0, len(text), *(edge for start, end, *_rest in (*unsure, *self.struck) for edge in (start, end))}
        return [
            Piece(
                text[start:end],
                next((percent for begin, finish, percent in unsure if begin <= start and end <= finish), None),
                any(begin <= start and end <= finish for begin, finish in self.struck),
            )
            for start, end in pairwise(sorted(edges))
        ]

    @property
    def unsure(self) -> list[str]:
        """The words that the model was unsure of, without the marks beside them."""
        return [piece.text.strip(MARKS) for piece in self.pieces if piece.percent is not None]

    @property
    def struck_words(self) -> list[str]:
        """The words that are struck, in runs; none for who may not read them."""
        text = self.segment.text.strip() if self.segment else ""
        return [text[first:last] for first, last in self.struck]


def is_voiced(row: Transcription) -> bool:
    """Returns whether lines say who speaks."""
    return row.speakers != OFF and row.status == Status.COMPLETED


def lines_of(row: Transcription, segments: Sequence[Segment], *, original: bool) -> list[Line]:
    """Returns the lines of a transcript, of which `segments` are all, by their start.

    original: with the words that are struck.
    """
    lines = lines_of_segments(row, segments, original=original)
    gaps = [Line(*span) for span in missed_speech(row, [(segment.start, segment.end) for segment in segments])]
    return sorted(lines + gaps, key=lambda line: line.start) if gaps else lines


def some_lines(row: Transcription, first: int, last: int, *, original: bool, between: bool = False) -> list[Line]:
    """Returns the lines of the segments `first` to `last`, with speech without text before each of them and the next.

    original: with the words that are struck. between: only with what lies between them.
    """
    segments = list(row.segments.filter(index__gte=first - 1, index__lte=last + 1).only(*LINE_FIELDS))
    lines = lines_of_segments(row, segments, original=original)
    shown = [line for line in lines if line.segment and first <= line.segment.index <= last]
    if not shown or not row.missed_speech:
        return shown
    starts = {segment.index: segment.start for segment in segments}
    begin = starts.get(first, 0.0) if between or first else 0.0
    end = shown[-1].start if between else starts.get(last + 1, float("inf"))
    spans = missed_speech(row, row.segments.values_list("start", "end"))
    gaps = [Line(*span) for span in spans if begin <= span[0] < end]
    return sorted(shown + gaps, key=lambda line: line.start) if gaps else shown


def lines_of_segments(
    row: Transcription, segments: Sequence[Segment], *, original: bool, spans: Sequence[Span] | None = None
) -> list[Line]:
    """Returns the lines of segments; of one whose predecessor is not among them, as if it began a turn.

    spans: what is struck, where that is known.
    """
    speakers: dict[int | None, Speaker] = {}
    if row.speakers != OFF:
        speakers = {speaker.index: speaker for speaker in row.speaker_set.all()}
    lines, before, spans = list[Line](), None, spans_of(row) if spans is None else spans
    readable = segments if original else redacted_segments(segments, spans)
    for segment, shown in zip(segments, readable, strict=True):
        speaker = speakers.get(segment.speaker)
        starts_turn = before is None or before.index != segment.index - 1 or before.speaker != segment.speaker
        line = Line(segment.start, segment.end, shown, doubts_of(shown), speaker, starts_turn)
        line.struck = struck_places(segment, spans) if original and spans else []
        line.is_redacted = shown is not segment
        lines.append(line)
        before = segment
    return lines

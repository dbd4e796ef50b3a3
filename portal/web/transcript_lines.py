"""The lines of a transcript on its page: segments with what speaks against them, and speech without text between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from transcription.models import Segment, Speaker, Status, Transcription
from transcription.options.speakers import OFF
from transcription.segments.word_places import placed_words
from transcription.transcripts.doubts import FIGURES, Doubt, doubts_of, is_unsure, missed_speech

LINE_FIELDS = (
    "transcription", "index", "start", "end", "text", "words", "revision", "corrected", "speaker", "overlap", *FIGURES,
)  # fmt: skip
"""The fields of a segment that its line shows."""


@dataclass
class Line:
    """A segment, or without one a stretch of speech that has no text. Times are seconds."""

    start: float
    end: float
    segment: Segment | None = None
    doubts: list[Doubt] = field(default_factory=list)
    speaker: Speaker | None = None
    starts_turn: bool = False

    @property
    def is_to_check(self) -> bool:
        return self.segment is None or bool(self.doubts)

    @property
    def key(self) -> str:
        """A part of ids of elements, of its own on the page."""
        return str(self.segment.pk) if self.segment else f"gap-{self.start}"

    @cached_property
    def pieces(self) -> list[tuple[str, int | None]]:
        """The trimmed text in pieces: words that the model was unsure of with their percentages, the rest with None."""
        segment, at = self.segment, 0
        pieces: list[tuple[str, int | None]] = []
        if segment is None:
            return pieces
        text = segment.text.strip()
        for start, end, word in placed_words(segment):
            if is_unsure(segment, word):
                pieces += [(text[at:start], None), (text[start:end], round(100 * word["probability"]))]
                at = end
        return [piece for piece in (*pieces, (text[at:], None)) if piece[0]]

    @property
    def unsure(self) -> list[str]:
        """The words that the model was unsure of."""
        return [text for text, percent in self.pieces if percent is not None]


def is_voiced(row: Transcription) -> bool:
    """Returns whether lines say who speaks."""
    return row.speakers != OFF and row.status == Status.COMPLETED


def lines_of(row: Transcription, segments: Sequence[Segment]) -> list[Line]:
    """Returns the lines of a transcript, of which `segments` are all, by their start."""
    lines = _segment_lines(row, segments)
    gaps = [Line(*span) for span in missed_speech(row, [(segment.start, segment.end) for segment in segments])]
    return sorted(lines + gaps, key=lambda line: line.start) if gaps else lines


def some_lines(row: Transcription, first: int, last: int, *, between: bool = False) -> list[Line]:
    """Returns the lines of the segments `first` to `last`, with speech without text before each of them and the next.

    between: only with what lies between them.
    """
    segments = list(row.segments.filter(index__gte=first - 1, index__lte=last + 1).only(*LINE_FIELDS))
    shown = [line for line in _segment_lines(row, segments) if line.segment and first <= line.segment.index <= last]
    if not shown or not row.missed_speech:
        return shown
    starts = {segment.index: segment.start for segment in segments}
    begin = starts.get(first, 0.0) if between or first else 0.0
    end = shown[-1].start if between else starts.get(last + 1, float("inf"))
    spans = missed_speech(row, row.segments.values_list("start", "end"))
    gaps = [Line(*span) for span in spans if begin <= span[0] < end]
    return sorted(shown + gaps, key=lambda line: line.start) if gaps else shown


def _segment_lines(row: Transcription, segments: Sequence[Segment]) -> list[Line]:
    """Returns the lines of segments that follow one another."""
    speakers: dict[int | None, Speaker] = {}
    if row.speakers != OFF:
        speakers = {speaker.index: speaker for speaker in row.speaker_set.all()}
    lines, before = list[Line](), None
    for segment in segments:
        speaker = speakers.get(segment.speaker)
        starts_turn = not lines or segment.speaker != before
        lines.append(Line(segment.start, segment.end, segment, doubts_of(segment), speaker, starts_turn))
        before = segment.speaker
    return lines

"""The lines of a transcript on its page: segments with what speaks against them, and speech without text between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from transcription.models import Segment, Speaker, Transcription
from transcription.options.speakers import OFF
from transcription.segments.word_places import placed_words
from transcription.transcripts.doubts import Doubt, doubts_of, is_unsure, missed_speech


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


def lines_of(row: Transcription, segments: Sequence[Segment]) -> list[Line]:
    """Returns the lines of a transcript, of which `segments` are all, by their start."""
    speakers: dict[int | None, Speaker] = {}
    if row.speakers != OFF:
        speakers = {speaker.index: speaker for speaker in row.speaker_set.all()}
    lines, before = list[Line](), None
    for segment in segments:
        speaker = speakers.get(segment.speaker)
        starts_turn = not lines or segment.speaker != before
        lines.append(Line(segment.start, segment.end, segment, doubts_of(segment), speaker, starts_turn))
        before = segment.speaker
    gaps = [Line(*span) for span in missed_speech(row, [(segment.start, segment.end) for segment in segments])]
    return sorted(lines + gaps, key=lambda line: line.start) if gaps else lines

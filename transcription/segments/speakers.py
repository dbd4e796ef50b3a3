"""Divides the segments of a transcript between its speakers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from transcription.diarization.assign import Assigned, Word, assign, split
from transcription.diarization.types import Turn
from transcription.models import Segment
from transcription.segments.bounds import clamp_segments


def divided(segments: Sequence[Segment], turns: Sequence[Turn], latest: float) -> tuple[list[Segment], dict[int, int]]:
    """Returns unsaved segments, of one speaker each, with the same text, and the speakers' new numbers by the turns'.

    A segment is split where the speaker changes; one whose words were not timed stays whole. Speakers are numbered
    anew, by their first appearance in the text. latest: the end of the recording in seconds.
    """
    spoken = [_words(segment) for segment in segments]
    assigned = iter(assign([(word.start, word.end) for words in spoken for word in words], turns))
    result: list[Segment] = []
    for segment, words in zip(segments, spoken, strict=True):
        result += _parts(segment, words, [next(assigned) for _word in words])
    numbers: dict[int, int] = {}
    for index, segment in enumerate(result):
        segment.index = index
        if segment.speaker is not None:
            segment.speaker = numbers.setdefault(segment.speaker, len(numbers))
    clamp_segments(result, 0.0, latest)
    return result, numbers


def _words(segment: Segment) -> list[Word]:
    """Returns the words, or all of the text as one where it has none that are it."""
    words = [Word(word["start"], word["end"], word["word"]) for word in segment.words]
    if words and "".join(word.text for word in words) == segment.text:
        return words
    return [Word(segment.start, segment.end, segment.text)]


def _parts(segment: Segment, words: Sequence[Word], assigned: Sequence[Assigned]) -> Iterator[Segment]:
    parts = split(words, assigned)
    if len(parts) == 1:
        yield _copy(segment, speaker=parts[0].speaker, overlap=parts[0].overlap)
        return
    for number, part in enumerate(parts):
        yield _copy(
            segment,
            start=segment.start if number == 0 else part.start,
            end=segment.end if number == len(parts) - 1 else part.end,
            text=part.text,
            tokens=[],
            words=segment.words[part.first : part.last],
            speaker=part.speaker,
            overlap=part.overlap,
        )


def _copy(segment: Segment, **changes: Any) -> Segment:
    fields = {field.attname: getattr(segment, field.attname) for field in Segment._meta.concrete_fields}
    return Segment(**fields | {"id": None} | changes)

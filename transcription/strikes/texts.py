"""Texts as they go out: without the words that are struck."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from transcription.models import Segment, Transcription
from transcription.strikes.following import DRIFT
from transcription.strikes.places import Word, places_of, words_of
from transcription.strikes.spans import Span, overlaps, united

MASK = "█████"
"""What stands for struck words, however many and long they are."""


def spans_of(row: Transcription) -> list[Span]:
    """Returns the seconds that are struck, on the clock of a transcription's own times.

    While a text is made, which is compared with the one before it only at its end, those beside them, too.
    """
    begin, beside = row.heard_range[0] if row.heard_range else 0.0, 0.0 if row.is_over else DRIFT
    spans = ((one[0] - begin - beside, one[1] - begin + beside) for one in row.recording.struck)
    return united((max(0.0, start), end) for start, end in spans if end > 0.0)


def redacted(row: Transcription) -> list[Segment]:
    """Returns the segments of a transcription as they go out, and gives `row`, which is not to be saved, their text."""
    segments = list(row.segments.all())
    if row.recording.struck:
        segments = redacted_segments(segments, spans_of(row))
        row.text = redacted_text(segments)
    return segments


def redacted_text(segments: Iterable[Segment]) -> str:
    return "".join(segment.text for segment in segments).strip()


def redacted_segments(segments: Iterable[Segment], spans: Iterable[Sequence[float]]) -> list[Segment]:
    """Returns segments without their struck words: copies where something is struck, which are not to be saved."""
    spans = list(spans)
    return [_redacted(segment, spans) for segment in segments] if spans else list(segments)


def masked_text(
    text: str, words: Sequence[dict[str, Any]], start: float, end: float, spans: Sequence[Sequence[float]]
) -> str:
    """Returns a segment's trimmed text without its struck words."""
    return _masked(text.strip(), places_of(text.strip(), words, start, end, spans))


def _redacted(segment: Segment, spans: list[Sequence[float]]) -> Segment:
    text = segment.text.strip()
    places = places_of(text, segment.words, segment.start, segment.end, spans)
    if not places:
        return segment
    lead = segment.text[: len(segment.text) - len(segment.text.lstrip())]
    shown = copy.copy(segment)
    shown.text = lead + _masked(text, places)
    shown.words = _masked_words(segment, text, spans)
    # Figures of the whole text, and places in it, would say something of the words.
    shown.tokens, shown.checks, shown.corrected = [], [], True
    shown.avg_logprob = shown.compression_ratio = shown.no_speech_prob = shown.temperature = 0.0
    shown.non_speech_share = 0.0
    return shown


def _masked(text: str, places: Sequence[tuple[int, int]]) -> str:
    parts, at = list[str](), 0
    for first, last in places:
        parts += [text[at:first], MASK]
        at = last
    return "".join([*parts, text[at:]])


def _masked_words(segment: Segment, text: str, spans: list[Sequence[float]]) -> list[dict[str, Any]]:
    """Returns the timed words, with one in the place of struck ones in a row; none where words were not timed."""
    if not segment.words:
        return []
    spoken = [word for word in segment.words if word["word"].strip()]
    placed = words_of(text, segment.words, segment.start, segment.end)
    shown, before = list[dict[str, Any]](), False
    for place, word in _paired(placed, spoken):
        struck = overlaps(spans, place.start, place.end)
        lead = word["word"][: len(word["word"]) - len(word["word"].lstrip())]
        if struck and before:
            shown[-1] = shown[-1] | {"end": place.end}
        else:
            shown.append({"word": lead + MASK, "start": place.start, "end": place.end} if struck else word)
        before = struck
    return shown


def _paired(placed: list[Word], spoken: list[dict[str, Any]]) -> list[tuple[Word, dict[str, Any]]]:
    """Pairs words with where they stand; all of a text that they don't spell is one word."""
    return list(zip(placed, spoken, strict=False)) if len(placed) == len(spoken) else [(placed[0], spoken[0])]

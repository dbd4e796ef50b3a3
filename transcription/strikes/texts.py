"""Texts as they go out: without the words that are struck."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from transcription.models import Segment, Transcription
from transcription.strikes.following import AROUND, DRIFT, Fields, spelt_alike
from transcription.strikes.places import Word, places_of, words_of
from transcription.strikes.spans import Span, overlaps, united

MASK = "█████"
"""What stands for struck words, however many and long they are."""


def spans_of(row: Transcription) -> list[Span]:
    """Returns the seconds that are hidden, on the clock of a transcription's own times: those that are struck.

    While a text is made, which is compared with the one before it only at its end, those around them, too. So are they
    in a translation beside a transcript, which says things at times of its own, and so are its words that are spelt
    like struck ones of the transcript near by.
    """
    struck = row.recording.struck
    if not struck:
        return []
    translated = transcript_of(row)
    around = 0.0 if row.is_over and translated is None else DRIFT
    hidden = [(one[0] - around, one[1] + around) for one in struck]
    if translated is not None:
        first, last = struck[0][0] - AROUND, struck[-1][1] + AROUND
        said, written = (fields_between(one, first, last) for one in (translated, row))
        hidden += spelt_alike(said, written, struck, AROUND)
    begin = row.heard_range[0] if row.heard_range else 0.0
    return united((max(0.0, start - begin), end - begin) for start, end in hidden if end > begin)


def transcript_of(row: Transcription) -> Transcription | None:
    """Returns the transcript of a translation beside one, or of lines of it that are heard again; None for others."""
    whole = row.rehears or row
    return whole.translates


def fields_between(row: Transcription, first: float, last: float) -> Iterator[Fields]:
    """Yields the segments that have a part between two times, on the recording's clock."""
    begin = row.heard_range[0] if row.heard_range else 0.0
    near = row.segments.filter(start__lte=last - begin, end__gte=first - begin)
    for one in near.values("text", "words", "start", "end"):
        words = [word | {name: word[name] + begin for name in ("start", "end")} for word in one["words"]]
        yield {"text": one["text"], "words": words, "start": one["start"] + begin, "end": one["end"] + begin}


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

"""Strikes words, lines or seconds out of a transcript, and gives them back. Each is a revision, and undone as one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext as _

from tenants.access import Actor
from transcription.errors import InvalidOption
from transcription.models import Revision, Segment, Transcription
from transcription.strikes import (
    other_texts,
    places_of,
    redacted_segments,
    seconds_of,
    spans_of,
    united,
    without,
)
from transcription.strikes.spans import Span
from transcription.transcripts.editing import transcript
from transcription.transcripts.revisions import (
    compare_tags,
    list_tag,
    locked,
    strikes_between,
    struck_now,
    write_strikes,
)
from transcription.transcripts.validation import no_such_segment

Action = Revision.Action
PERMISSION = "transcripts.edit"
"""Who may strike, and read what is struck."""


class Words(NamedTuple):
    """What stands from a character of a segment's trimmed text to before one of another segment's."""

    first: int
    position: int
    last: int
    until: int | None = None


class Strike(NamedTuple):
    """Struck seconds, and the segments from and to, in which words are struck there; None where there is no text."""

    start: float
    end: float
    first: int | None
    last: int | None


def strike(
    actor: Actor, transcription_id: UUID, what: Words | Span, expected_tags: Collection[str], *, back: bool = False
) -> Transcription:
    """Strikes words, or seconds, or gives them `back`. `expected_tags` are tags of the list.

    Words without times are struck with their whole segment, and words that another text of the recording has at other
    times are there, too. Raises Http404, Stale, InvalidOption, NotCompleted and
    TextDeleted.
    """
    with locked(actor, transcription_id) as row:
        compare_tags(expected_tags, list_tag(row))
        spans = _checked_span(row, what) if not isinstance(what, Words) else _seconds(row, what)
        before = struck_now(row)
        after = without(before, spans) if back else united(before, spans)
        if not back:
            after = united(after, other_texts.in_others(row, after, without(after, before)))
        write_strikes(actor, row, Action.UNSTRIKE if back else Action.STRIKE, strikes_between(before, after))
        return row


def strikes(actor: Actor, transcription_id: UUID) -> tuple[Transcription, list[Strike]]:
    """Returns what is struck of a transcript, in order. Raises Http404, NotCompleted and TextDeleted."""
    row = transcript(actor, transcription_id)
    spans = united(row.recording.struck)
    if not spans:
        return row, []
    segments = row.segments.filter(end__gte=spans[0][0], start__lte=spans[-1][1])
    places = [(one, struck_places(one, spans)) for one in segments.only("index", "start", "end", "text", "words")]
    return row, [_strike(span, [one for one, found in places if found]) for span in spans]


def struck_places(segment: Segment, spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Returns the characters, from and to, of a segment's trimmed text that are struck."""
    return places_of(segment.text.strip(), segment.words, segment.start, segment.end, spans)


def passage(actor: Actor, transcription_id: UUID, words: Words, *, original: bool) -> tuple[Transcription, Span]:
    """Returns a transcript, and from when to when words of it last. Raises as `strike` does.

    original: that the places are of the text with the words that are struck, and not as it goes out.
    """
    row = transcript(actor, transcription_id)
    spans = _seconds(row, words, [] if original else spans_of(row))
    return row, (spans[0][0], spans[-1][1])


def _strike(span: Span, segments: Iterable[Segment]) -> Strike:
    indexes = [one.index for one in segments if struck_places(one, [span])]
    return Strike(*span, min(indexes, default=None), max(indexes, default=None))


def _checked_span(row: Transcription, span: Span) -> list[Span]:
    """Raises InvalidOption."""
    start, end = span
    if not united([span]) or start < 0 or start >= row.recording.duration_seconds:
        raise InvalidOption("end", _("What is struck must end after it starts, and start within the recording."))
    return [(start, min(end, round(row.recording.duration_seconds, 3)))]


def _seconds(row: Transcription, words: Words, hidden: Sequence[Span] = ()) -> list[Span]:
    """Returns when words are said, of the text without those that are `hidden`.

    Raises Http404, and InvalidOption where no word is chosen.
    """
    chosen = redacted_segments(row.segments.filter(index__range=(words.first, words.last)), hidden)
    try:
        return seconds_of_words(chosen, words)
    except Http404:
        raise no_such_segment(row) from None


def seconds_of_words(chosen: Sequence[Segment], words: Words) -> list[Span]:
    """Returns when words are said, of the segments in which they stand. Raises as `_seconds` does."""
    if words.last < words.first or len(chosen) != words.last - words.first + 1:
        raise Http404(_("There is no such segment."))
    found = list[Span]()
    for line in chosen:
        text = line.text.strip()
        first = words.position if line.index == words.first else 0
        last = words.until if line.index == words.last and words.until is not None else len(text)
        seconds = seconds_of(text, line.words, line.start, line.end, first, last)
        if seconds is not None:
            found.append(seconds)
    if not found:
        raise InvalidOption("position", _("Choose words, or a line."))
    return united(found)

"""The outline of a long transcript: of each line what its page has to know wherever a person is, and no more.

A page draws the lines near the window from it, and asks for these lines themselves (`lines_at`) as `_lines.html` has
them. An outline of 30,000 lines has a twelfth of their size, and takes a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from portal.web.transcript_lines import LINE_FIELDS, Line, is_voiced, lines_of_segments
from transcription.models import Segment, Speaker, Transcription
from transcription.options.speakers import OFF
from transcription.strikes import masked_text, spans_of
from transcription.strikes.spans import Span
from transcription.transcripts.doubts import doubts_of, missed_speech

FIELDS = tuple(name for name in LINE_FIELDS if name != "words")
NEAR_SECONDS = 1.0
AT_ONCE = 500
"""Segments that are asked for by their indexes in one query."""

Row = tuple[float, float, str | None, int | None, dict[str, Any]]
"""Start, end, trimmed text (None without a segment), speaker, and what few have, as `Row` of static/js/lines.js."""


def outline_of(row: Transcription, *, original: bool) -> dict[str, Any]:
    """Returns the outline of a transcript. original: with the words that are struck."""
    spans = spans_of(row)
    if spans and not original:  # all words have to be looked at
        every = lines_of_segments(row, list(row.segments.only(*LINE_FIELDS)), original=False, spans=spans)
        rows = [_row_of(line) for line in every]
    else:
        segments = row.segments.only(*FIELDS)
        rows = [_row_of(Line(one.start, one.end, one, doubts_of(one))) for one in segments]
        for line in _struck_lines(row, rows, spans):
            if line.segment:
                rows[line.segment.index] = _row_of(line, spans)
    gaps = missed_speech(row, [(one[0], one[1]) for one in rows])
    shown = sorted([*rows, *map(_row_of_gap, gaps)], key=lambda one: one[0]) if gaps else rows
    speakers = row.speaker_set.all() if row.speakers != OFF else ()
    return outline(row, shown, speakers, total=len(rows))


def outline(row: Transcription, rows: Sequence[Row], speakers: Iterable[Speaker], *, total: int) -> dict[str, Any]:
    return {
        "revision": row.revision,
        "total": total,
        "voiced": is_voiced(row),
        "speakers": {speaker.index: {"label": speaker.label, "colour": speaker.colour} for speaker in speakers},
        "rows": [one if one[4] else one[:4] for one in rows],
    }


def row_of(segment: Segment) -> Row:
    """Returns the row of a segment without what speaks against it."""
    return (round(segment.start, 3), round(segment.end, 3), segment.text.strip(), segment.speaker, {})


def lines_at(row: Transcription, indexes: Collection[int], *, original: bool) -> list[Line]:
    """Returns the lines of some segments. original: with the words that are struck."""
    wanted = set(indexes)
    before = {index - 1 for index in wanted}
    segments = list(row.segments.filter(index__in=sorted(wanted | before)).only(*LINE_FIELDS))
    lines = lines_of_segments(row, segments, original=original)
    return [line for line in lines if line.segment and line.segment.index in wanted]


def _struck_lines(row: Transcription, rows: Sequence[Row], spans: Sequence[Span]) -> list[Line]:
    """Returns the lines, with their words, of segments of which something is struck."""
    near = [
        index
        for index, (start, end, *_rest) in enumerate(rows)
        if any(span[0] - NEAR_SECONDS < end and start < span[1] + NEAR_SECONDS for span in spans)
    ]
    parts = [near[at : at + AT_ONCE] for at in range(0, len(near), AT_ONCE)]
    return [line for part in parts for line in lines_at(row, part, original=True) if line.struck]


def _row_of(line: Line, spans: Sequence[Span] = ()) -> Row:
    segment = line.segment
    if segment is None:
        return _row_of_gap((line.start, line.end))
    start, end, text, speaker, more = row_of(segment)
    if line.doubts:
        more["doubt"] = " ".join(doubt.sentence for doubt in line.doubts)
    if segment.overlap:
        more["overlap"] = 1
    if line.struck:
        unstruck = list(text or "")
        for first, last in line.struck:
            unstruck[first:last] = " " * (last - first)
        more["struck"] = 1 if "".join(unstruck).strip() else 2
        more["readable"] = masked_text(text or "", segment.words, segment.start, segment.end, spans)
    elif line.is_redacted:
        more["struck"] = 1
    return (start, end, text, speaker, more)


def _row_of_gap(span: Span) -> Row:
    return (round(span[0], 3), round(span[1], 3), None, None, {})

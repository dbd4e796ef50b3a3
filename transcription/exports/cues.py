"""Segments cut into cues that fit on a screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from transcription.exports.layout import Layout
from transcription.models import Segment
from transcription.scripts import CLOSING, line_break_units, width
from transcription.transcripts.timeline import Timeline

SENTENCE_ENDS = ".!?…。！？"
PAUSES = ",;:，、；："
LOOK_BACK = 0.5  # of a cue or a line: a break this far before its end is taken for the sake of punctuation
_QUOTES = "".join(set(CLOSING) - set(SENTENCE_ENDS + PAUSES))


@dataclass(frozen=True)
class Cue:
    """Some lines of text, from `start` to `end` in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]


def split_into_cues(segments: Iterable[Segment], layout: Layout | None = None) -> Iterator[Cue]:
    """Without a layout a segment is a cue of one line; what has no text has no cue."""
    for segment in segments:
        if layout is not None:
            yield from _apart(segment, list(_laid_out(segment, layout)))
        elif text := " ".join(segment.text.split()):
            yield from _apart(segment, [Cue(segment.start, segment.end, (text,))])


def _apart(segment: Segment, cues: list[Cue]) -> Iterator[Cue]:
    """The cues of a segment, each a millisecond long at least, and one after the other where it has room for them."""
    earliest, last = round(segment.start * 1000), round(segment.end * 1000)
    now = earliest
    for behind, cue in zip(range(len(cues) - 1, -1, -1), cues, strict=True):
        start = max(earliest, min(max(now, round(cue.start * 1000)), last - 1 - behind))
        now = max(start + 1, min(round(cue.end * 1000), last - behind))
        yield Cue(start / 1000, now / 1000, cue.lines)


def _laid_out(segment: Segment, layout: Layout) -> Iterator[Cue]:
    pieces = line_break_units(segment.text.strip())
    times = Timeline(segment.text, segment.words, segment.start, segment.end)
    begin, place = segment.start, 0
    while pieces:
        count = _cue_length(pieces, layout)
        taken, pieces = pieces[:count], pieces[count:]
        place += sum(len("".join(piece.split())) for piece in taken)
        end = times.ends(place) if pieces else max(begin, segment.end)
        yield Cue(begin, end, tuple(_lines(taken, layout)))
        begin = times.begins(place)


def _cue_length(pieces: list[str], layout: Layout) -> int:
    """How many pieces the next cue takes: as many as fit, fewer where that ends it at punctuation."""
    count = 0
    for _line in range(layout.max_lines):
        count += _line_length(pieces[count:], layout.max_line_length)
    return count if count >= len(pieces) else _better_end(pieces, count)


def _lines(pieces: list[str], layout: Layout) -> Iterator[str]:
    """The pieces of one cue on its lines, of which there are enough."""
    for left in range(layout.max_lines - 1, -1, -1):
        if not pieces:
            return
        count = _line_length(pieces, layout.max_line_length)
        if count < len(pieces):
            nicer = _better_end(pieces, count)
            count = nicer if _fits(pieces[nicer:], left, layout) else count
        yield " ".join("".join(pieces[:count]).split())
        pieces = pieces[count:]


def _fits(pieces: list[str], lines: int, layout: Layout) -> bool:
    for _line in range(lines):
        pieces = pieces[_line_length(pieces, layout.max_line_length) :]
    return not pieces


def _line_length(pieces: list[str], columns: int) -> int:
    """How many pieces fit on a line; at least one, however wide it is."""
    used = 0
    for count, piece in enumerate(pieces):
        used += _columns(piece, is_first=count == 0)
        if used > columns and count:
            return count
    return len(pieces)


def _columns(piece: str, is_first: bool) -> int:
    bare = piece.strip()
    return width(bare) + (1 if bare != piece and not is_first else 0)


def _better_end(pieces: list[str], count: int) -> int:
    """The latest break after a sentence, else after a pause, in the last half; else `count`."""
    earliest = max(1, int(count * (1 - LOOK_BACK)))
    for marks in (SENTENCE_ENDS, PAUSES):
        for end in range(count, earliest - 1, -1):
            if pieces[end - 1].rstrip(_QUOTES).endswith(tuple(marks)):
                return end
    return count

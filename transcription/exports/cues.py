"""Splits segments into subtitle cues that fit on a screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from transcription.exports.layout import Layout
from transcription.models import Segment
from transcription.scripts import CLOSING, line_break_units, width
from transcription.transcripts.timeline import Timeline

SENTENCE_ENDS = ".!?…。！？"
PAUSES = ",;:，、；："
NO_PREFIXES: Mapping[int | None, str] = {}
LOOK_BACK = 0.5  # share of a cue or line that is given up to end at punctuation
_QUOTES = "".join(set(CLOSING) - set(SENTENCE_ENDS + PAUSES))


@dataclass(frozen=True)
class Cue:
    """Some lines of text, from `start` to `end` in seconds; below them, those `beside`, of another text.

    `segment` is the index of theirs.
    """

    start: float
    end: float
    lines: tuple[str, ...]
    speaker: int | None = None
    beside: tuple[str, ...] = ()
    segment: int = 0


def split_into_cues(
    segments: Iterable[Segment],
    layout: Layout | None = None,
    prefixes: Mapping[int | None, str] = NO_PREFIXES,
    beside: Sequence[str] = (),
) -> Iterator[Cue]:
    """Yields the cues of segments. Without a layout a segment is one cue of one line; one without text has none.

    prefixes: what stands before the first words after a change to a speaker. beside: another text, by segments.
    """
    before = None
    for place, segment in enumerate(segments):
        prefix = prefixes.get(segment.speaker, "") if segment.speaker not in (None, before) else ""
        cues = []
        if layout is not None:
            cues = list(_in_order(segment, list(_split(segment, layout, prefix))))
        elif text := " ".join(segment.text.split()):
            cues = list(_in_order(segment, [Cue(segment.start, segment.end, (f"{prefix}{text}",))]))
        yield from _with_beside(cues, beside[place], layout) if beside and beside[place] else cues
        before = segment.speaker if segment.text.strip() else before


def _with_beside(cues: list[Cue], text: str, layout: Layout | None) -> Iterator[Cue]:
    """Yields the cues of a segment with their parts of another text, which are as long as the cues are."""
    if layout is None or not cues:
        yield from (replace(cue, beside=(text,)) for cue in cues)
        return
    units, characters = line_break_units(text), len("".join(text.split()))
    begin, duration, said = cues[0].start, cues[-1].end - cues[0].start, 0
    for cue in cues:
        until, taken = characters * (cue.end - begin) / duration, list[str]()
        while units and (cue is cues[-1] or said + len(units[0].strip()) / 2 < until):
            taken.append(units.pop(0))
            said += len("".join(taken[-1].split()))
        yield replace(cue, beside=tuple(_broken(taken, layout.max_line_length)))


def _broken(units: list[str], columns: int) -> Iterator[str]:
    """Yields as many lines as units need."""
    while units:
        count = _line_length(units, columns)
        yield " ".join("".join(units[:count]).split())
        units = units[count:]


def _in_order(segment: Segment, cues: list[Cue]) -> Iterator[Cue]:
    """Yields the cues of a segment at least a millisecond long, without overlaps if the segment is long enough."""
    earliest, latest = round(segment.start * 1000), round(segment.end * 1000)
    end = earliest
    for remaining, cue in zip(range(len(cues) - 1, -1, -1), cues, strict=True):
        start = max(earliest, min(max(end, round(cue.start * 1000)), latest - 1 - remaining))
        end = max(start + 1, min(round(cue.end * 1000), latest - remaining))
        yield Cue(start / 1000, end / 1000, cue.lines, segment.speaker, segment=segment.index)


def _split(segment: Segment, layout: Layout, prefix: str) -> Iterator[Cue]:
    units = line_break_units(segment.text.strip())
    times = Timeline(segment.text, segment.words, segment.start, segment.end)
    begin, position = segment.start, 0
    if units and prefix:  # never alone in a cue
        *names, last = line_break_units(prefix)
        units = [*names, f"{last} {units[0]}", *units[1:]]
        position = -len("".join(prefix.split()))
    while units:
        count = _cue_length(units, layout)
        taken, units = units[:count], units[count:]
        position += sum(len("".join(unit.split())) for unit in taken)
        end = times.end_before(position) if units else max(begin, segment.end)
        yield Cue(begin, end, tuple(_lines(taken, layout)))
        begin = times.start_after(position)


def _cue_length(units: list[str], layout: Layout) -> int:
    """Returns how many units the next cue takes: as many as fit, or fewer to end at punctuation."""
    count = 0
    for _line in range(layout.max_lines):
        count += _line_length(units[count:], layout.max_line_length)
    return count if count >= len(units) else _better_end(units, count)


def _lines(units: list[str], layout: Layout) -> Iterator[str]:
    """Yields the lines of one cue."""
    for left in range(layout.max_lines - 1, -1, -1):
        if not units:
            return
        count = _line_length(units, layout.max_line_length)
        if count < len(units):
            better = _better_end(units, count)
            count = better if _fits(units[better:], left, layout) else count
        yield " ".join("".join(units[:count]).split())
        units = units[count:]


def _fits(units: list[str], lines: int, layout: Layout) -> bool:
    for _line in range(lines):
        units = units[_line_length(units, layout.max_line_length) :]
    return not units


def _line_length(units: list[str], columns: int) -> int:
    """Returns how many units fit on a line; at least one, however wide it is."""
    used = 0
    for count, unit in enumerate(units):
        used += _columns(unit, is_first=count == 0)
        if used > columns and count:
            return count
    return len(units)


def _columns(unit: str, is_first: bool) -> int:
    text = unit.strip()
    return width(text) + (1 if text != unit and not is_first else 0)


def _better_end(units: list[str], count: int) -> int:
    """Returns the last break after a sentence, else after a pause, in the last half of the units; else `count`."""
    earliest = max(1, int(count * (1 - LOOK_BACK)))
    for marks in (SENTENCE_ENDS, PAUSES):
        for end in range(count, earliest - 1, -1):
            if units[end - 1].rstrip(_QUOTES).endswith(tuple(marks)):
                return end
    return count

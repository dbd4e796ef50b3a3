"""Showing where a query was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from transcription.models import Recording, SearchEntry, Segment
from transcription.search.folding import Term
from transcription.search.highlighting import TextSpan, highlight

MAX_MATCHES = 3


@dataclass(frozen=True)
class Match:
    """A segment in which terms stand; times in seconds."""

    index: int
    start: float
    end: float
    parts: list[TextSpan]


@dataclass(frozen=True)
class SearchResult:
    recording: Recording
    transcription_id: UUID | None
    name: list[TextSpan]
    matches: list[Match]


@dataclass(frozen=True)
class _FoundSegment:
    """What is shown of a segment."""

    index: int
    start: float
    end: float
    text: str


def results(page: Iterable[SearchEntry], terms: Sequence[Term]) -> list[SearchResult]:
    """What to show of some entries: the first places of each term, and further ones while there is room."""
    places = {entry: _places(entry.folded, terms) for entry in page}
    recordings = Recording.objects.filter(deleted_at=None).defer("peaks").in_bulk([entry.pk for entry in places])
    segments = _segments(places)
    return [
        SearchResult(
            recording=recordings[entry.pk],
            transcription_id=entry.transcription_id,
            name=highlight(recordings[entry.pk].name, terms),
            matches=_matches(segments.get(entry.transcription_id, []), terms),
        )
        for entry in places
        if entry.pk in recordings
    ]


def _places(folded: str, terms: Sequence[Term]) -> list[int]:
    """Indexes of at most MAX_MATCHES segments: where each term stands first, then where any stands again."""
    begin = folded.find("\n") + 1 or len(folded)
    firsts = [at for term in terms if (at := folded.find(term.pattern, begin)) >= 0]
    found = list(dict.fromkeys(_line(folded, at) for at in sorted(firsts)))[:MAX_MATCHES]
    for at in firsts:
        line_end = folded.find("\n", at)
        while line_end >= 0 and len(found) < MAX_MATCHES:
            later = min((p for term in terms if (p := folded.find(term.pattern, line_end)) >= 0), default=-1)
            if later < 0:
                break
            if (line := _line(folded, later)) not in found:
                found.append(line)
            line_end = folded.find("\n", later)
    return sorted(found)


def _line(folded: str, at: int) -> int:
    """The name is on the line before the first segment."""
    return folded.count("\n", 0, at) - 1


def _segments(places: dict[SearchEntry, list[int]]) -> dict[UUID | None, list[_FoundSegment]]:
    """By transcription, in order. Asked for by two short lists, which is far cheaper to say than each pair."""
    wanted = {entry.transcription_id: lines for entry, lines in places.items() if lines}
    rows = Segment.objects.filter(transcription__in=wanted, index__in=set().union(*wanted.values()))
    found: dict[UUID | None, list[_FoundSegment]] = {}
    columns = rows.order_by("index").values_list("transcription", "index", "start", "end", "text")
    for transcription, index, start, end, text in columns:
        if index in wanted[transcription]:
            found.setdefault(transcription, []).append(_FoundSegment(index, start, end, text))
    return found


def _matches(lines: list[_FoundSegment], terms: Sequence[Term]) -> list[Match]:
    """Of segments that have a term: one may have been corrected since it was looked up."""
    found = [Match(one.index, one.start, one.end, highlight(one.text.strip(), terms)) for one in lines]
    return [one for one in found if any(part.match for part in one.parts)]

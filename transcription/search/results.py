"""Search results with the segments that match."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from transcription.models import Recording, SearchEntry, Segment
from transcription.search.folding import Term
from transcription.search.highlighting import TextSpan, highlight
from transcription.strikes import masked_text

MAX_MATCHES = 3


@dataclass(frozen=True)
class Match:
    """A matching segment; times in seconds."""

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
    """The columns of a segment that a result needs."""

    index: int
    start: float
    end: float
    text: str


def results(page: Iterable[SearchEntry], terms: Sequence[Term]) -> list[SearchResult]:
    """Returns the results of some entries, each with up to MAX_MATCHES segments."""
    entries = list(page)
    recordings = Recording.objects.filter(deleted_at=None).defer("peaks").in_bulk([entry.pk for entry in entries])
    known = [entry for entry in entries if entry.pk in recordings]
    matches = _matches(known, {entry.transcription_id: recordings[entry.pk].struck for entry in known}, terms)
    return [
        SearchResult(
            recording=recordings[entry.pk],
            transcription_id=entry.transcription_id,
            name=highlight(recordings[entry.pk].name, terms),
            matches=matches.get(entry.transcription_id, []),
        )
        for entry in known
    ]


def matches_in(recordings: Iterable[Recording], terms: Sequence[Term]) -> dict[UUID, list[Match]]:
    """Returns up to MAX_MATCHES segments of the latest transcription of each recording that has some, by its id."""
    latest = {row.latest.pk: row for row in recordings if row.latest}
    if not terms or not latest:
        return {}
    rows = SearchEntry.objects.filter(pk__in=[row.pk for row in latest.values()])
    entries = [entry for entry in rows.only("tenant", "transcription_id", "folded") if entry.transcription_id in latest]
    found = _matches(entries, {transcription_id: row.struck for transcription_id, row in latest.items()}, terms)
    return {transcription_id: matches for transcription_id, matches in found.items() if transcription_id and matches}


def _segment_indexes(folded: str, terms: Sequence[Term]) -> list[int]:
    """Returns indexes of at most MAX_MATCHES segments: the first match of each term, then further matches."""
    begin = folded.find("\n") + 1 or len(folded)
    firsts = [at for term in terms if (at := folded.find(term.pattern, begin)) >= 0]
    indexes = list(dict.fromkeys(_line(folded, at) for at in sorted(firsts)))[:MAX_MATCHES]
    for at in firsts:
        line_end = folded.find("\n", at)
        while line_end >= 0 and len(indexes) < MAX_MATCHES:
            later = min((p for term in terms if (p := folded.find(term.pattern, line_end)) >= 0), default=-1)
            if later < 0:
                break
            if (line := _line(folded, later)) not in indexes:
                indexes.append(line)
            line_end = folded.find("\n", later)
    return sorted(indexes)


def _line(folded: str, at: int) -> int:
    """Returns the index of the segment at a position; the name, on the first line, has -1."""
    return folded.count("\n", 0, at) - 1


def _matches(
    entries: Iterable[SearchEntry], struck: Mapping[UUID | None, list[list[float]]], terms: Sequence[Term]
) -> dict[UUID | None, list[Match]]:
    """Returns matches by transcription. Leaves out segments that were corrected since and don't match any more."""
    indexes = {entry.transcription_id: _segment_indexes(entry.folded, terms) for entry in entries}
    wanted = {transcription: numbers for transcription, numbers in indexes.items() if numbers}
    found: dict[UUID | None, list[Match]] = {}
    for transcription, segments in _segments(wanted, struck).items():
        candidates = [Match(s.index, s.start, s.end, highlight(s.text.strip(), terms)) for s in segments]
        found[transcription] = [match for match in candidates if any(span.match for span in match.parts)]
    return found


def _segments(
    wanted: dict[UUID | None, list[int]], struck: Mapping[UUID | None, list[list[float]]]
) -> dict[UUID | None, list[_FoundSegment]]:
    """Returns segments by transcription, in order, without what is `struck` of them.

    Two IN lists are far cheaper than a condition for each pair.
    """
    rows = Segment.objects.filter(transcription__in=wanted, index__in=set().union(*wanted.values()))
    found: dict[UUID | None, list[_FoundSegment]] = {}
    columns = rows.order_by("index").values_list("transcription", "index", "start", "end", "text")
    hidden = [transcription for transcription, spans in struck.items() if spans]
    words = rows.filter(transcription__in=hidden).values_list("transcription", "index", "words") if hidden else ()
    timed = {(transcription, index): timed for transcription, index, timed in words}
    for transcription, index, start, end, text in columns:
        if index in wanted[transcription]:
            if spans := struck.get(transcription):
                text = masked_text(text, timed.get((transcription, index), []), start, end, spans)
            found.setdefault(transcription, []).append(_FoundSegment(index, start, end, text))
    return found

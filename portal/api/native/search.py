"""Full-text search for programs."""

from __future__ import annotations

from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from portal.api.native import parameters
from portal.api.native.operations import operation
from portal.api.native.pagination import CURSOR, no_such_page
from portal.api.native.schemas.search import FoundRecording, FoundSegment, Fragment, HitBody, HitsBody
from portal.api.native.tenant_view import TenantView
from transcription import search
from transcription.errors import InvalidOption
from transcription.library import read_audit

HITS, MOST_HITS = 20, 50
QUERY = parameters.Text("q", "One word or several.", required=True)
LIMIT = parameters.Whole("limit", f"Hits on a page; {HITS} unless given.", range(1, MOST_HITS + 1))


class SearchView(TenantView):
    """GET the recordings in whose name or text every word of `q` stands, newest first."""

    @operation(
        "search",
        "Recordings in whose name or text every word stands, newest first",
        {200: HitsBody},
        parameters=[QUERY, CURSOR, LIMIT],
    )
    def get(self, request: Request) -> Response:
        terms = _terms(QUERY.read(request))
        limit = LIMIT.read(request) or HITS
        after = place_of(CURSOR.read(request))
        page, more = search.page(self.actor, terms, after, limit)
        hits = search.results(page, terms)
        read_audit.searched(self.actor, len(hits), [hit.transcription_id for hit in hits if hit.transcription_id])
        address = request.build_absolute_uri()
        body = HitsBody(
            next=replace_query_param(address, "cursor", str(more)) if more else None,
            results=[hit_fields(hit) for hit in hits],
        )
        return Response(body)


def hit_fields(hit: search.SearchResult) -> HitBody:
    return {
        "recording": FoundRecording(
            id=str(hit.recording.id),
            name=hit.recording.name,
            created_at=hit.recording.created_at.isoformat(),
            duration_seconds=round(hit.recording.duration_seconds, 3),
        ),
        "transcription": str(hit.transcription_id) if hit.transcription_id else None,
        "name": _parts(hit.name),
        "matches": [
            FoundSegment(segment=one.index, start=one.start, end=one.end, parts=_parts(one.parts))
            for one in hit.matches
        ],
    }


def _parts(parts: list[search.TextSpan]) -> list[Fragment]:
    return [Fragment(text=part.text, match=part.match) for part in parts]


def _terms(query: str) -> list[search.Term]:
    """Raises InvalidOption."""
    if len(query) > search.LONGEST_QUERY:
        raise InvalidOption("q", _("A query has at most %(n)d characters.") % {"n": search.LONGEST_QUERY})
    terms = search.terms_of(query)
    if not terms:
        raise InvalidOption("q", _("Say in “q” what to look for: a word, or several that all have to be found."))
    return terms


def place_of(cursor: str) -> search.Cursor | None:
    """Raises InvalidOption for a cursor that we didn't make."""
    try:
        return search.Cursor.parse(cursor) if cursor else None
    except ValueError:
        raise no_such_page() from None


urls = [path("search", SearchView.as_view(), name="native_search")]

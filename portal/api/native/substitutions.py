"""Finding and replacing in many transcripts, for programs."""

from __future__ import annotations

from uuid import UUID, uuid4

from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from portal.api.native import parameters
from portal.api.native.operations import JSON, operation
from portal.api.native.originals import REDACTED, wants_original
from portal.api.native.pagination import CURSOR
from portal.api.native.parsing import parse_body
from portal.api.native.recordings import FILTERS, filter_of
from portal.api.native.schemas.search import FoundRecording
from portal.api.native.schemas.substitutions import (
    LibraryHitsBody,
    LibrarySubstitutedBody,
    LibrarySubstitution,
    OutcomeBody,
    SeriesBody,
    SeriesListBody,
    TranscriptHitsBody,
    UndoneBody,
)
from portal.api.native.search import place_of
from portal.api.native.segments import MATCH_CASE, WHOLE_WORDS, hit_fields
from portal.api.native.tenant_view import TenantView
from transcription.errors import InvalidOption
from transcription.transcripts import series
from transcription.transcripts.rewrites import Rule
from transcription.transcripts.series import MOST_SHOWN, Found, Series, Target
from transcription.transcripts.substitution import checked_search
from transcription.transcripts.terms import Correction, correction

FIND = parameters.Text("find", "What is looked for, unless it is the terms.")
REPLACEMENT = parameters.Text("replacement", "What is shown as what it becomes.")
TERMS = parameters.Choice("terms", "Whether the spellings of the tenant's terms are looked for.", ("true", "false"))
HITS = parameters.Whole("limit", f"Hits of a transcript; {MOST_SHOWN} without it.", range(MOST_SHOWN + 1))


class LibraryHitsView(TenantView):
    """GET in which transcripts of the recordings that match a text, or a spelling of a term, stands."""

    @operation(
        "findInTranscripts",
        "Where a text, or a spelling of a term, stands in many transcripts",
        {200: LibraryHitsBody},
        parameters=[FIND, REPLACEMENT, MATCH_CASE, WHOLE_WORDS, TERMS, REDACTED, *FILTERS, CURSOR, HITS],
    )
    def get(self, request: Request) -> Response:
        rule = self._rule(request)
        limit = HITS.read(request)
        shown = MOST_SHOWN if limit is None else limit
        original, after = wants_original(self.actor, request), place_of(CURSOR.read(request))
        seen = series.preview(self.actor, filter_of(request), rule, after, shown, original=original)
        address = request.build_absolute_uri()
        body = LibraryHitsBody(
            terms=rule.tag if isinstance(rule, Correction) else None,
            looked=seen.looked,
            next=replace_query_param(address, "cursor", str(seen.cursor)) if seen.cursor else None,
            results=[found_fields(one) for one in seen.found],
        )
        return Response(body)

    def _rule(self, request: Request) -> Rule:
        """Raises InvalidOption."""
        if TERMS.read(request) == "true":
            _check_one_of(FIND.read(request))
            return Correction.in_sight(self.actor)
        flags = [one.read(request) == "true" for one in (MATCH_CASE, WHOLE_WORDS)]
        return checked_search(FIND.read(request), REPLACEMENT.read(request), *flags)


class SubstitutionsView(TenantView):
    """POST what is found and what it becomes, and in which transcripts."""

    @operation(
        "substituteInTranscripts",
        "Find and replace in many transcripts",
        {200: LibrarySubstitutedBody},
        body={JSON: LibrarySubstitution},
    )
    def post(self, request: Request) -> Response:
        self.actor.require(series.PERMISSION)
        wanted = parse_body(request, LibrarySubstitution)
        targets = [
            Target(one.transcription, one.revision, frozenset((hit.segment, hit.position) for hit in one.skip))
            for one in wanted.transcripts
        ]
        series_id = wanted.series or uuid4()
        outcomes = series.replace(self.actor, self._rule(wanted), targets, series_id)
        results = [OutcomeBody(transcription=str(row_id), outcome=outcome.value) for row_id, outcome in outcomes]
        return Response(LibrarySubstitutedBody(series=str(series_id), results=results))

    def _rule(self, wanted: LibrarySubstitution) -> Rule:
        """Raises InvalidOption."""
        if wanted.terms:
            _check_one_of(wanted.find)
            return correction(self.actor, wanted.terms)
        return checked_search(wanted.find, wanted.replacement, wanted.match_case, wanted.whole_words)


class SeriesView(TenantView):
    """GET what was replaced in many transcripts at once."""

    @operation("listSeries", "What was replaced in many transcripts lately, newest first", {200: SeriesListBody})
    def get(self, request: Request) -> Response:
        return Response(SeriesListBody(results=[series_fields(one) for one in series.recent(self.actor)]))


class UndoSeriesView(TenantView):
    """POST to undo what was replaced in many transcripts at once."""

    @operation("undoSeries", "Undo what was replaced in many transcripts", {200: UndoneBody})
    def post(self, request: Request, series_id: UUID) -> Response:
        done = series.undo(self.actor, series_id)
        return Response(UndoneBody(undone=done.undone, left=done.left))


def found_fields(found: Found) -> TranscriptHitsBody:
    recording = found.row.recording
    return {
        "recording": FoundRecording(
            id=str(recording.id),
            name=recording.name,
            created_at=recording.created_at.isoformat(),
            duration_seconds=round(recording.duration_seconds, 3),
        ),
        "transcription": str(found.row.id),
        "revision": found.row.revision,
        "total": found.total,
        "results": [{**hit_fields(hit), "replacement": hit.replacement} for hit in found.hits],
    }


def series_fields(one: Series) -> SeriesBody:
    return {
        "id": str(one.id),
        "action": one.action,
        "made_at": one.made_at.isoformat(),
        "made_by": one.author or None,
        "transcripts": one.transcripts,
        "undone": one.undone,
        "undoable": one.undoable,
    }


def _check_one_of(find: str) -> None:
    if find:
        raise InvalidOption("find", _("Send “find” or “terms”, not both."))


urls = [
    path("substitutions", SubstitutionsView.as_view(), name="native_substitutions"),
    path("substitutions/hits", LibraryHitsView.as_view(), name="native_library_hits"),
    path("series", SeriesView.as_view(), name="native_series"),
    path("series/<uuid:series_id>/undo", UndoSeriesView.as_view(), name="native_undo_series"),
]

"""What is struck out of a transcript, for programs."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import IF_MATCH, JSON, operation
from portal.api.native.parsing import check_not_both, parse_body
from portal.api.native.schemas.segments import SECONDS, WORDS
from portal.api.native.schemas.strikes import StrikeBody, StrikesBody, Striking
from portal.api.native.segments import TRANSCRIPTION
from portal.api.native.tenant_view import TenantView
from portal.api.preconditions import quoted, seen_tags
from transcription.errors import InvalidOption
from transcription.strikes.spans import Span
from transcription.transcripts import revisions, striking
from transcription.transcripts.striking import Words


class StrikesView(TenantView):
    """GET what is struck; POST what is to be struck, or given back."""

    @operation("listStrikes", "What is struck out of a transcript", {200: StrikesBody})
    def get(self, request: Request, transcription_id: UUID) -> Response:
        return self._answer(transcription_id)

    @operation(
        "strikeOut",
        "Strike words or seconds out, or give them back",
        {200: StrikesBody},
        body={JSON: Striking},
        parameters=[IF_MATCH],
    )
    def post(self, request: Request, transcription_id: UUID) -> Response:
        wanted = parse_body(request, Striking)
        tags = seen_tags(request._request)
        striking.strike(self.actor, transcription_id, _what(wanted), tags, back=not wanted.struck)
        return self._answer(transcription_id)

    def _answer(self, transcription_id: UUID) -> Response:
        row, found = striking.strikes(self.actor, transcription_id)
        results: list[StrikeBody] = [
            {"start": one.start, "end": one.end, "first": one.first, "last": one.last} for one in found
        ]
        body = StrikesBody(transcription=str(row.id), revision=row.revision, results=results)
        return Response(body, headers={"ETag": quoted(revisions.list_tag(row))})


def _what(wanted: Striking) -> Words | Span:
    """Raises InvalidOption."""
    check_not_both(wanted, WORDS, SECONDS)
    if wanted.first is not None:
        return Words(wanted.first, wanted.position, wanted.first if wanted.last is None else wanted.last, wanted.until)
    if wanted.start is not None and wanted.end is not None:
        return wanted.start, wanted.end
    raise InvalidOption("first", _("Name the words by “first” and “last”, or the seconds by “start” and “end”."))


urls = [path(f"{TRANSCRIPTION}/strikes", StrikesView.as_view(), name="native_strikes")]

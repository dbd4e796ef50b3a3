"""Finds and replaces text in a transcript on its page: first what would be replaced, then what is ticked."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import JsonResponse
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, member_required
from portal.web.script_errors import nothing_without_text, script_errors
from portal.web.scripts import body_of, tag_of
from portal.web.segments import changed
from transcription.library import read_audit, recordings
from transcription.models import Transcription
from transcription.transcripts import substitution
from transcription.transcripts.substitution import Place, Search

SHOWN = 500


@require_POST
@member_required("transcripts.edit")
@script_errors()
@nothing_without_text
def preview(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Takes JSON with what to find; answers with the first hits, how many there are, and the revision."""
    recordings.transcription(request.actor, transcription_id)  # other tenants get 404 before any other error
    search = search_of(body_of(request))
    row, found, total = substitution.hits(request.actor, transcription_id, search, SHOWN, original=True)
    read_audit.read(request.actor, row, "page")
    return JsonResponse({"revision": row.revision, "total": total, "hits": [vars(hit) for hit in found]})


@require_POST
@member_required("transcripts.edit")
def substitute(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Takes JSON with what to find, what it becomes, hits to `skip`, and the previewed transcript's `etag`."""

    def replace(body: dict[str, Any]) -> Transcription:
        tags = {tag_of(body)}
        return substitution.substitute(request.actor, transcription_id, search_of(body), skipped_of(body), tags)[0]

    return changed(request, transcription_id, replace)


def search_of(body: dict[str, Any]) -> Search:
    """Raises InvalidOption."""
    names = ("find", "replacement", "match_case", "whole_words")
    return substitution.checked_search(
        **{name: body[name] for name in names if name in body} | {"find": body.get("find")}
    )


def skipped_of(body: dict[str, Any]) -> list[Place]:
    places = body.get("skip")
    pairs = places if isinstance(places, list) else []
    return [(pair[0], pair[1]) for pair in pairs if isinstance(pair, list) and list(map(type, pair)) == [int, int]]

"""Finds and replaces text in a transcript on its page: first what would be replaced, then what is ticked."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, JsonResponse
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, member_required
from portal.web.changes import problem
from portal.web.segments import body_of, changed
from transcription.errors import InvalidOption
from transcription.library import read_audit, recordings
from transcription.library.retention import TextDeleted
from transcription.models import Transcription
from transcription.transcripts import substitution
from transcription.transcripts.revisions import NotCompleted
from transcription.transcripts.substitution import Place, Search

SHOWN = 500


@require_POST
@member_required("transcripts.edit")
def preview(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Takes JSON with what to find; answers with the first hits, how many there are, and the revision."""
    recordings.transcription(request.actor, transcription_id)  # other tenants get 404 before any other error
    try:
        row, found, total = substitution.hits(
            request.actor, transcription_id, search_of(body_of(request)), SHOWN, original=True
        )
    except InvalidOption as invalid:
        return problem(400, str(invalid))
    except (NotCompleted, TextDeleted):
        raise Http404 from None
    read_audit.read(request.actor, row, "page")
    return JsonResponse({"revision": row.revision, "total": total, "hits": [vars(hit) for hit in found]})


@require_POST
@member_required("transcripts.edit")
def substitute(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Takes JSON with what to find, what it becomes, hits to `skip`, and the previewed transcript's `etag`."""

    def replace(body: dict[str, Any]) -> Transcription:
        tags = {str(body.get("etag", ""))}
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

"""Strikes words, lines or seconds out of a transcript on its page, and gives them back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import JsonResponse
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, member_required
from portal.web.scripts import seconds_of, tag_of, words_of
from portal.web.segments import changed
from transcription.models import Transcription
from transcription.transcripts import striking


@require_POST
@member_required(striking.PERMISSION)
def strike(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Takes JSON with the words from a `position` of segment `first` to before `until` of segment `last`, or seconds
    from `start` to `end`; whether they are to be `struck` or given back; and the displayed transcript's `etag`.
    """

    def write(body: dict[str, Any]) -> Transcription:
        what = seconds_of(body) if "start" in body else words_of(body)
        return striking.strike(request.actor, transcription_id, what, {tag_of(body)}, back=body.get("struck") is False)

    return changed(request, transcription_id, write)

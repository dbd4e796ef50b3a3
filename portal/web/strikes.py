"""Strikes words, lines or seconds out of a transcript on its page, and gives them back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import JsonResponse
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, member_required
from portal.web.scripts import number_of, tag_of
from portal.web.segments import changed
from transcription.models import Transcription
from transcription.strikes.spans import Span
from transcription.transcripts import striking
from transcription.transcripts.striking import Words
from transcription.transcripts.validation import checked_time


@require_POST
@member_required(striking.PERMISSION)
def strike(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Takes JSON with the words from a `position` of segment `first` to before `until` of segment `last`, or seconds
    from `start` to `end`; whether they are to be `struck` or given back; and the displayed transcript's `etag`.
    """

    def write(body: dict[str, Any]) -> Transcription:
        tags = {tag_of(body)}
        return striking.strike(request.actor, transcription_id, _what(body), tags, back=body.get("struck") is False)

    return changed(request, transcription_id, write)


def _what(body: dict[str, Any]) -> Words | Span:
    """Raises InvalidOption."""
    if "start" in body:
        return checked_time(body.get("start"), "start"), checked_time(body.get("end"), "end")
    until = None if body.get("until") is None else number_of(body, "until")
    return Words(number_of(body, "first"), number_of(body, "position"), number_of(body, "last"), until)

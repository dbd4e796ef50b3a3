"""Hears lines of a transcript again on its page: asked for, watched, compared with what stands there, taken or not."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.changes import change_fields
from portal.web.script_errors import nothing_without_text, script_errors
from portal.web.scripts import body_of, number_of, problem, seconds_of, tag_of
from transcription.errors import reason_for_people
from transcription.intake import rehearing as intake
from transcription.library import read_audit, recordings
from transcription.models import Status, Transcription
from transcription.transcripts import editing
from transcription.transcripts import rehearing as service
from transcription.transcripts.rehearing import Lines
from transcription.transcripts.revisions import Stale
from transcription.transcripts.word_diff import difference


@require_POST
@member_required("transcripts.edit")
@script_errors()
def ask(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Takes JSON with the lines `first` to `last`, or the seconds from `start` to `end`, and the `options`."""
    recordings.transcription(request.actor, transcription_id)  # other tenants get 404 before any other error
    body = body_of(request)
    options = {name: value for name, value in _mapping(body.get("options")).items() if isinstance(value, str)}
    row = intake.ask(request.actor, transcription_id, _where(body), options)
    return JsonResponse(_state(request, row), status=201)


@member_required("transcripts.edit")
@nothing_without_text
def show(request: TenantRequest, transcription_id: UUID, rehearing_id: UUID) -> JsonResponse:
    return JsonResponse(_state(request, service.get(request.actor, transcription_id, rehearing_id)))


@member_required("transcripts.edit")
@script_errors(gone=gettext_lazy("This text can’t be taken any more. Hear the lines again."))
def change(request: TenantRequest, transcription_id: UUID, rehearing_id: UUID) -> JsonResponse:
    """Takes JSON with what to `do`: stop, or take, with the `etag` of the displayed lines; answers 412 with what stands
    there if it is not the current one.
    """
    recordings.transcription(request.actor, transcription_id)  # other tenants get 404 before any other error
    body = body_of(request)
    if body.get("do") == "stop":
        return JsonResponse(_state(request, service.stop(request.actor, transcription_id, rehearing_id)))
    try:
        row = service.take(request.actor, transcription_id, rehearing_id, {tag_of(body)})
    except Stale:
        now = _state(request, service.get(request.actor, transcription_id, rehearing_id))
        return problem(412, _("Somebody else changed these lines meanwhile. They are shown as they are now."), now=now)
    return JsonResponse(change_fields(request, row))


rehearing = by_method(get=show, post=change)


def _where(body: dict[str, Any]) -> Lines | tuple[float, float]:
    """Raises InvalidOption."""
    if "start" in body:
        return seconds_of(body)
    return Lines(number_of(body, "first"), number_of(body, "last"))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _state(request: TenantRequest, heard: Transcription) -> dict[str, Any]:
    """Describes a rehearing: how far it is; when it is complete, both texts as HTML, and the tag of the lines."""
    address = reverse("web:rehearing", args=[heard.rehears_id, heard.id])
    state = {"id": str(heard.id), "address": address, "status": heard.status, "percent": heard.percent}
    if heard.status == Status.FAILED:
        return state | {"error": reason_for_people(heard.error_code)}
    if heard.status != Status.COMPLETED or heard.rehears_id is None:
        return state
    row = editing.transcript(request.actor, heard.rehears_id)
    lines = service.lines_of(row, heard.range_start, heard.range_end)
    read_audit.read(request.actor, row, "page")
    texts, heard_texts = [line.text.strip() for line in lines], service.heard_texts(heard, original=True)
    words = difference(texts, heard_texts, is_whole=True)
    shown = {"words": words, "transcription": row, "heard": heard, "has_text": bool(texts)}
    tag = service.tag_of(lines)
    return state | {
        "etag": tag,
        "html": render_to_string("web/_heard.html", shown, request),
        "is_same": words.is_empty,
        "is_changed": tag != heard.range_tag,
    }

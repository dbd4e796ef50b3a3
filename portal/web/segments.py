"""Corrects transcripts on their page, one segment at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.changes import change_fields
from portal.web.script_errors import CHANGED, nothing_without_text, script_errors
from portal.web.scripts import body_of, number_of, problem, tag_of
from portal.web.word_positions import word_positions
from transcription.library import read_audit, recordings
from transcription.library.retention import TextDeleted
from transcription.models import Segment, Transcription
from transcription.strikes import redacted_segments, spans_of
from transcription.transcripts import editing, revisions, striking
from transcription.transcripts.revisions import NotCompleted, Stale
from transcription.transcripts.validation import checked_shift, checked_text, checked_time


@member_required("recordings.view")
@nothing_without_text
def show(request: TenantRequest, transcription_id: UUID, index: int) -> JsonResponse:
    current = editing.segment(request.actor, transcription_id, index)
    read_audit.read(request.actor, current.transcription, "page")
    row, original = current.transcription, request.actor.may(striking.PERMISSION)
    [shown] = [current] if original else redacted_segments([current], spans_of(row))
    return JsonResponse(_fields(shown))


@member_required("transcripts.edit")
@script_errors()
def save(request: TenantRequest, transcription_id: UUID, index: int) -> JsonResponse:
    """Takes JSON with `text` and the displayed segment's `etag`; answers 412 with the current segment if it differs."""
    recordings.transcription(request.actor, transcription_id)  # other tenants get 404 before any other error
    body = body_of(request)
    text = checked_text(body.get("text"))
    try:
        saved = editing.edit(request.actor, transcription_id, index, {tag_of(body)}, text)
    except Stale:
        current = editing.segment(request.actor, transcription_id, index)
        read_audit.read(request.actor, current.transcription, "page")
        return problem(412, _("Somebody else changed this segment meanwhile."), now=_fields(current))
    return JsonResponse(_fields(saved) | {"change": change_fields(request, saved.transcription)})


segment = by_method(get=show, post=save)


@require_POST
@member_required("transcripts.edit")
def split(request: TenantRequest, transcription_id: UUID, index: int) -> JsonResponse:
    """Takes JSON with the `position` of a character in the text, and the displayed segment's `etag`."""

    def divide(body: dict[str, Any]) -> Transcription:
        position, tags = number_of(body, "position"), {tag_of(body)}
        return editing.split(request.actor, transcription_id, index, position, None, tags)[0].transcription

    return changed(request, transcription_id, divide)


@require_POST
@member_required("transcripts.edit")
def remove(request: TenantRequest, transcription_id: UUID, index: int) -> JsonResponse:
    """Takes JSON with the displayed segment's `etag`."""

    def take_out(body: dict[str, Any]) -> Transcription:
        return editing.remove(request.actor, transcription_id, index, {tag_of(body)})

    return changed(request, transcription_id, take_out)


@require_POST
@member_required("transcripts.edit")
def merge(request: TenantRequest, transcription_id: UUID, index: int) -> JsonResponse:
    """Merges a segment with the next one. Takes JSON with the `etags` of both."""

    def join(body: dict[str, Any]) -> Transcription:
        etags = body.get("etags")
        tags = {str(tag) for tag in etags} if isinstance(etags, list) else set[str]()
        return editing.merge(request.actor, transcription_id, index, tags).transcription

    return changed(request, transcription_id, join)


@require_POST
@member_required("transcripts.edit")
def revert(request: TenantRequest, transcription_id: UUID) -> HttpResponse:
    """Restores a revision, for a script with JSON or a form. Both send the `etag` of the displayed revision.

    A script undoes, strikes too; by a form what is struck stays so. A form is redirected to the recording, or to the
    history if it was sent from there.
    """
    row = recordings.transcription(request.actor, transcription_id)
    next_page = (
        ("web:history", row.id) if request.POST.get("from") == "history" else ("web:recording", row.recording_id)
    )
    by_script = request.content_type == "application/json"
    given = body_of(request) if by_script else request.POST
    number = str(given.get("revision", ""))
    try:
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise Http404
        tags = {tag_of(given)}
        restored = editing.revert(request.actor, transcription_id, int(number), tags, strikes=by_script)
    except (Stale, Http404, NotCompleted, TextDeleted):
        refusal = _("Somebody else changed the transcript meanwhile, so this was not undone.")
        if by_script:
            return problem(412, refusal)
        messages.error(request, refusal)
        return redirect(*next_page)
    if by_script:
        return JsonResponse(change_fields(request, restored))
    messages.success(request, _restored_message(int(number)))
    return redirect(*next_page)


@require_POST
@member_required("transcripts.edit")
def shift(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Takes JSON with `seconds`, the segments `first` and `last`, and the displayed transcript's `etag`."""

    def move(body: dict[str, Any]) -> Transcription:
        reach = number_of(body, "first"), number_of(body, "last")
        seconds, tags = checked_shift(body.get("seconds")), {tag_of(body)}
        return editing.shift(request.actor, transcription_id, seconds, tags, *reach)

    return changed(request, transcription_id, move)


@require_POST
@member_required("transcripts.edit")
def retime(request: TenantRequest, transcription_id: UUID, index: int) -> JsonResponse:
    """Takes JSON with `start` and `end` in seconds, and the displayed segment's `etag`."""

    def set_times(body: dict[str, Any]) -> Transcription:
        start, end = (checked_time(body.get(name), name) for name in ("start", "end"))
        tags = {tag_of(body)}
        return editing.edit(request.actor, transcription_id, index, tags, None, start, end).transcription

    return changed(request, transcription_id, set_times)


@script_errors(stale=CHANGED)
def changed(
    request: TenantRequest, transcription_id: UUID, change: Callable[[dict[str, Any]], Transcription]
) -> JsonResponse:
    """Answers with what `change`, called with the request's JSON, made of the lines; 412 if they differ from what the
    caller has seen.
    """
    recordings.transcription(request.actor, transcription_id)  # other tenants get 404 before any other error
    return JsonResponse(change_fields(request, change(body_of(request))))


def _restored_message(number: int) -> str:
    if number == 0:
        return _("The transcript is as it was transcribed again.")
    return _("The transcript is as it was after correction %(number)d again.") % {"number": number}


def _fields(segment: Segment) -> dict[str, Any]:
    return {
        "text": segment.text.strip(),
        "words": word_positions(segment),
        "etag": revisions.segment_tag(segment),
        "revision": segment.revision,
    }

"""The comments beside a transcript: listed, made, changed, resolved and deleted by the page's script."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.html import escape, linebreaks
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from portal.web.access import TenantRequest, member_required
from portal.web.script_errors import script_errors
from portal.web.scripts import body_of, number_of, problem
from transcription.comments import mentions, threads
from transcription.errors import InvalidOption
from transcription.library import recordings
from transcription.library.retention import TextDeleted
from transcription.models import Comment
from transcription.transcripts import striking
from transcription.transcripts.striking import Words
from transcription.transcripts.validation import checked_time


@require_http_methods(["GET", "HEAD", "POST"])
def comments(request: HttpRequest, recording_id: UUID) -> HttpResponseBase:
    answer = add if request.method == "POST" else show
    return answer(request, recording_id=recording_id)


@member_required("recordings.view")
def show(request: TenantRequest, recording_id: UUID) -> JsonResponse:
    """Answers with the list as HTML, where each passage is, and whom a comment may mention."""
    return _listed(request, recording_id)


@member_required(threads.PERMISSION)
def add(request: TenantRequest, recording_id: UUID) -> JsonResponse:
    """Takes JSON with a `text` and a `colour`, and the `parent` that it replies to, or a passage: seconds from `start`
    to `end`, or words of a `transcription`, as `strikes.strike` takes them. Answers as `show` does.
    """

    def write(body: dict[str, Any]) -> None:
        text, colour = body.get("text", ""), body.get("colour", 0)
        if body.get("parent"):
            threads.reply(request.actor, recording_id, id_of(body["parent"]), text)
            return
        if body.get("transcription"):
            until = None if body.get("until") is None else number_of(body, "until")
            words = Words(number_of(body, "first"), number_of(body, "position"), number_of(body, "last"), until)
            original = request.actor.may(striking.PERMISSION)
            row, span = striking.passage(request.actor, id_of(body["transcription"]), words, original=original)
            if row.recording_id != recording_id:
                raise Http404
        else:
            span = (checked_time(body.get("start"), "start"), checked_time(body.get("end"), "end"))
        threads.comment(request.actor, recording_id, *span, text, colour)

    return _changed(request, recording_id, write)


@require_POST
@member_required(threads.PERMISSION)
def comment(request: TenantRequest, recording_id: UUID, comment_id: UUID) -> JsonResponse:
    """Takes JSON with what to `do`: change (with `text`), resolve, open or delete. Answers as `show` does."""

    def write(body: dict[str, Any]) -> None:
        match body.get("do"):
            case "change":
                threads.change(request.actor, recording_id, comment_id, body.get("text"), body.get("colour"))
            case "resolve" | "open" as what:
                threads.resolve(request.actor, recording_id, comment_id, again=what == "open")
            case "delete":
                threads.delete(request.actor, recording_id, comment_id)
            case _other:
                raise InvalidOption("do", _("Choose what to do."))

    return _changed(request, recording_id, write)


@script_errors(PermissionDenied, TextDeleted)
def _changed(request: TenantRequest, recording_id: UUID, write: Callable[[dict[str, Any]], None]) -> JsonResponse:
    recordings.recording(request.actor, recording_id)  # other tenants get 404 before any other error
    try:
        write(body_of(request))
    except Http404:
        return problem(404, _("Somebody deleted this comment meanwhile."))
    return _listed(request, recording_id)


def _listed(request: TenantRequest, recording_id: UUID) -> JsonResponse:
    found = threads.threads(request.actor, recording_id)
    people = mentions.people(request.actor, recordings.recording(request.actor, recording_id))
    names = dict(people)
    shown = [_shown(request, row, names) for row in found]
    html = render_to_string("web/_comments.html", {"threads": shown}, request)
    marks = [
        {"id": str(row.id), "start": row.start, "end": row.end, "colour": row.colour, "open": row.resolved_at is None}
        for row in found
    ]
    return JsonResponse({"html": html, "marks": marks, "people": people})


def _shown(request: TenantRequest, row: Comment, names: dict[str, str]) -> dict[str, Any]:
    """Returns a comment with what its reader may do with it, and its replies."""
    is_own = threads.is_own(request.actor, row)
    replies = [] if row.parent_id else [_shown(request, reply, names) for reply in row.replies.all()]
    return {
        "comment": row,
        "author": row.author,
        "text": row.text,
        "html": _html(row, names),
        "is_own": is_own,
        "may_delete": is_own or threads.may_moderate(request.actor),
        "replies": replies,
    }


def _html(row: Comment, names: dict[str, str]) -> SafeString:
    """Returns a comment's text with its lines, and names in the place of the addresses of who is mentioned."""
    told = {mention.user.email: names.get(mention.user.email, str(mention.user)) for mention in row.mentions.all()}
    text = str(escape(row.text))
    for address, name in told.items():
        marked = f'<span class="comment__mention">@{escape(name)}</span>'
        text = re.sub(rf"@{re.escape(escape(address))}(?![\w-])", marked.replace("\\", "&#92;"), text, flags=re.I)
    return mark_safe(linebreaks(text))  # noqa: S308 - escaped above


def id_of(value: object) -> UUID:
    """Raises Http404."""
    try:
        return UUID(str(value))
    except ValueError:
        raise Http404(_("There is no such comment.")) from None

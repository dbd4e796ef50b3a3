"""The comments on the page of a link that lets its holders write: listed, made, changed, resolved and deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.html import escape, linebreaks
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from portal.shared.access import Visit, by_link, inside, limited, nowhere, writes
from portal.web.comments import id_of
from portal.web.script_errors import script_errors
from portal.web.scripts import body_of, number_of, problem
from tenants.access import Actor
from transcription.comments import threads
from transcription.errors import InvalidOption
from transcription.library.retention import TextDeleted
from transcription.models import Comment
from transcription.shares import comments as shared_comments
from transcription.shares import guests, visits
from transcription.shares.guests import Writer
from transcription.shares.visitors import visitor_of
from transcription.transcripts.striking import Words
from transcription.transcripts.validation import checked_time

VISIT, VISITOR = "X-Visit", "X-Visitor"
"""The headers of the page's script, instead of a cookie: a number of this visit, and the name, quoted as in URLs."""


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def comments(request: HttpRequest, secret: str) -> HttpResponseBase:
    """Takes no CSRF token, as `pages.page`."""
    return (add if request.method == "POST" else show)(request, secret)


@by_link
@inside
@limited(visits.READINGS)
def show(visit: Visit) -> HttpResponseBase:
    """Answers as the page of members does, but for whom a comment may mention: nobody."""
    return _listed(visit) if _may(visit) else nowhere(visit.request)


@by_link
@inside
@writes
def add(visit: Visit) -> HttpResponseBase:
    """Takes what `portal.web.comments.add` takes; the words are those of the text that the link shows."""

    def write(body: dict[str, Any]) -> None:
        text, colour = body.get("text", ""), body.get("colour", 0)
        if body.get("parent"):
            shared_comments.reply(visit.share, writer_of(visit), id_of(body["parent"]), text)
            return
        span = _words(body) if body.get("transcription") else _seconds(body)
        shared_comments.comment(visit.share, writer_of(visit), span, text, colour)

    return _changed(visit, write)


@csrf_exempt
@require_POST
@by_link
@inside
@writes
def comment(visit: Visit, comment_id: UUID) -> HttpResponseBase:
    """Takes what `portal.web.comments.comment` takes."""

    def write(body: dict[str, Any]) -> None:
        share, who = visit.share, writer_of(visit)
        match body.get("do"):
            case "change":
                shared_comments.change(share, who, comment_id, body.get("text"), body.get("colour"))
            case "resolve" | "open" as what:
                shared_comments.resolve(share, who, comment_id, again=what == "open")
            case "delete":
                shared_comments.delete(share, who, comment_id)
            case _other:
                raise InvalidOption("do", _("Choose what to do."))

    return _changed(visit, write)


def writer_of(visit: Visit) -> Writer:
    """Returns what the page says of who writes."""
    headers, visitor = visit.request.headers, visitor_of(visit.share, visit.address)
    try:
        number = UUID(headers.get(VISIT, ""))
    except ValueError:
        return Writer(visitor=visitor)
    return Writer(unquote(headers.get(VISITOR, "")), number, visitor)


def _may(visit: Visit) -> bool:
    return guests.COMMENT in visit.permissions


def _words(body: dict[str, Any]) -> Words:
    until = None if body.get("until") is None else number_of(body, "until")
    return Words(number_of(body, "first"), number_of(body, "position"), number_of(body, "last"), until)


def _seconds(body: dict[str, Any]) -> tuple[float, float]:
    return checked_time(body.get("start"), "start"), checked_time(body.get("end"), "end")


@script_errors(PermissionDenied, TextDeleted)
def _changed(visit: Visit, write: Callable[[dict[str, Any]], None]) -> HttpResponseBase:
    if not _may(visit):
        return nowhere(visit.request)
    try:
        write(body_of(visit.request))
    except Http404:
        return problem(404, _("Somebody deleted this comment meanwhile, or the link has ended. Load the page again."))
    return _listed(visit)


def _listed(visit: Visit) -> JsonResponse:
    visit.note_reading()
    actor = guests.actor_of(visit.share, writer_of(visit))
    found = shared_comments.threads_of(visit.share)
    shown = [_shown(visit, actor, row, replies) for row, replies in found]
    html = render_to_string("web/_comments.html", {"threads": shown})
    marks = [
        {"id": str(row.id), "start": row.start, "end": row.end, "colour": row.colour, "open": row.resolved_at is None}
        for row, _replies in found
    ]
    return JsonResponse({"html": html, "marks": marks, "people": []})


def _shown(visit: Visit, actor: Actor, row: Comment, replies: list[Comment]) -> dict[str, Any]:
    text, is_own = shared_comments.shown_text(row), threads.is_own(actor, row)
    return {
        "comment": row,
        "author": shared_comments.shown_author(visit.share, row),
        "role": _("guest") if row.guest else _("of the organisation"),
        "text": text,
        "html": mark_safe(linebreaks(escape(text))),  # noqa: S308 - escaped
        "is_own": is_own,
        "may_delete": is_own and not replies,
        "replies": [_shown(visit, actor, reply, []) for reply in replies],
    }

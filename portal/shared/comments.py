"""The comments on the page of a link that lets its holders write: listed, made, changed, resolved and deleted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.html import escape, linebreaks
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from portal.shared.access import Visit, by_link, inside, limited, nowhere, writes
from portal.web.comments import changed, do, list_of, say
from tenants.access import Actor
from transcription.comments import threads
from transcription.models import Comment
from transcription.shares import comments as shared_comments
from transcription.shares import guests, visits
from transcription.shares.guests import Writer
from transcription.shares.visitors import visitor_of

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
        who = visit.share, writer_of(visit)
        say(body, partial(shared_comments.reply, *who), partial(shared_comments.comment, *who))

    return _changed(visit, write)


@csrf_exempt
@require_POST
@by_link
@inside
@writes
def comment(visit: Visit, comment_id: UUID) -> HttpResponseBase:
    """Takes what `portal.web.comments.comment` takes."""

    def write(body: dict[str, Any]) -> None:
        ways = shared_comments.change, shared_comments.resolve, shared_comments.delete
        do(body, *(partial(way, visit.share, writer_of(visit), comment_id) for way in ways))

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


def _changed(visit: Visit, write: Callable[[dict[str, Any]], None]) -> HttpResponseBase:
    if not _may(visit):
        return nowhere(visit.request)
    gone = _("Somebody deleted this comment meanwhile, or the link has ended. Load the page again.")
    return changed(visit.request, write, gone, lambda: _listed(visit))


def _listed(visit: Visit) -> JsonResponse:
    visit.note_reading()
    state = shared_comments.state_of(visit.share)  # before they are read: who comes between is told of later
    actor = guests.actor_of(visit.share, writer_of(visit))
    found = shared_comments.threads_of(visit.share)
    shown = [_shown(visit, actor, row, replies) for row, replies in found]
    return list_of([row for row, _replies in found], shown, [], None, state=state)


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

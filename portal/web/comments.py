"""The comments beside a transcript: listed, made, changed, resolved and deleted by the page's script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.template.loader import render_to_string
from django.utils.html import escape, linebreaks
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.script_errors import script_errors
from portal.web.scripts import body_of, problem, seconds_of, words_of
from transcription.comments import mentions, threads
from transcription.errors import InvalidOption
from transcription.library import recordings
from transcription.library.retention import TextDeleted
from transcription.models import Comment
from transcription.strikes.spans import Span
from transcription.transcripts import striking
from transcription.transcripts.striking import Words

Way = Callable[..., object]
"""One to write, of a member or of a link's holder."""


@member_required("recordings.view")
def show(request: TenantRequest, recording_id: UUID) -> JsonResponse:
    """Answers as `list_of`."""
    return _listed(request, recording_id)


@member_required(threads.PERMISSION)
def add(request: TenantRequest, recording_id: UUID) -> JsonResponse:
    """Takes JSON with a `text` and a `colour`, and the `parent` that it replies to, or a passage: seconds from `start`
    to `end`, or words of a `transcription`, as `strikes.strike` takes them. Answers as `show` does.
    """

    def write(body: dict[str, Any]) -> None:
        def comment_on(what: Words | Span, text: object, colour: object) -> None:
            if isinstance(what, Words):
                original = request.actor.may(striking.PERMISSION)
                row, what = striking.passage(request.actor, id_of(body["transcription"]), what, original=original)
                if row.recording_id != recording_id:
                    raise Http404
            threads.comment(request.actor, recording_id, *what, text, colour)

        say(body, partial(threads.reply, request.actor, recording_id), comment_on)

    return _changed(request, recording_id, write)


comments = by_method(get=show, post=add)


@require_POST
@member_required(threads.PERMISSION)
def comment(request: TenantRequest, recording_id: UUID, comment_id: UUID) -> JsonResponse:
    """Takes JSON with what to `do`: change (with `text`), resolve, open or delete. Answers as `show` does."""

    def write(body: dict[str, Any]) -> None:
        which = request.actor, recording_id, comment_id
        do(body, partial(threads.change, *which), partial(threads.resolve, *which), partial(threads.delete, *which))

    return _changed(request, recording_id, write)


def say(body: dict[str, Any], reply: Way, comment_on: Way) -> None:
    """Makes a reply, or a comment on words or seconds. Raises InvalidOption and Http404."""
    text = body.get("text", "")
    if body.get("parent"):
        reply(id_of(body["parent"]), text)
    else:
        comment_on(words_of(body) if body.get("transcription") else seconds_of(body), text, body.get("colour", 0))


def do(body: dict[str, Any], change: Way, resolve: Way, delete: Way) -> None:
    """Does to a comment what the script says. Raises InvalidOption."""
    match body.get("do"):
        case "change":
            change(body.get("text"), body.get("colour"))
        case "resolve" | "open" as what:
            resolve(again=what == "open")
        case "delete":
            delete()
        case _other:
            raise InvalidOption("do", _("Choose what to do."))


@script_errors(PermissionDenied, TextDeleted)
def changed(
    request: HttpRequest, write: Callable[[dict[str, Any]], None], gone: str, listed: Callable[[], JsonResponse]
) -> JsonResponse:
    """Answers with the list after `write`, called with the request's JSON; by `gone` where the comment isn't there."""
    try:
        write(body_of(request))
    except Http404:
        return problem(404, gone)
    return listed()


def list_of(
    rows: Iterable[Comment],
    shown: list[dict[str, Any]],
    people: list[tuple[str, str]],
    request: HttpRequest | None,
    **more: str,
) -> JsonResponse:
    """Answers with the list as HTML, where each passage is, and whom a comment may mention."""
    marks = [
        {"id": str(row.id), "start": row.start, "end": row.end, "colour": row.colour, "open": row.resolved_at is None}
        for row in rows
    ]
    html = render_to_string("web/_comments.html", {"threads": shown}, request)
    return JsonResponse({"html": html, "marks": marks, "people": people} | more)


def _changed(request: TenantRequest, recording_id: UUID, write: Callable[[dict[str, Any]], None]) -> JsonResponse:
    recordings.recording(request.actor, recording_id)  # other tenants get 404 before any other error
    gone = _("Somebody deleted this comment meanwhile.")
    return changed(request, write, gone, lambda: _listed(request, recording_id))


def _listed(request: TenantRequest, recording_id: UUID) -> JsonResponse:
    found = threads.threads(request.actor, recording_id)
    people = mentions.people(request.actor, recordings.recording(request.actor, recording_id))
    names = dict(people)
    return list_of(found, [_shown(request, row, names) for row in found], people, request)


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

"""The page of a share link: what it asks first, then the transcript."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from portal.shared import live
from portal.shared.access import Visit, by_link, inside, limited, nowhere, with_headers
from portal.shared.lines import lines_of
from portal.web.scripts import COMPACT, indexes_of
from portal.web.transcript_lines import is_voiced
from portal.web.transcript_outline import outline, row_of
from transcription import exports
from transcription.shares import guests, read_audit, sound, text, visits
from transcription.shares.text import SharedText

MOST_AT_ONCE = 400
"""Lines of a text that its page has from the beginning; of a longer one AT_FIRST, the rest comes later."""
AT_FIRST = 200


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, secret: str) -> HttpResponseBase:
    """Takes no CSRF token, for which there would have to be a cookie: whoever sends the form must know the link."""
    return (enter if request.method == "POST" else show)(request, secret)


@by_link
@limited(visits.READINGS)
def show(visit: Visit) -> HttpResponseBase:
    """Counts an opening of a link that does not ask first; of others, entering does."""
    share = visit.share
    if not visit.is_in:
        return nowhere(visit.request) if share.is_used_up else _door(visit)
    if not share.asks_first and visit.request.method == "GET" and not visits.open_link(share, visit.address):
        return nowhere(visit.request)
    return render(visit.request, "shared/page.html", _context(visit, text.text_of(share)))


@by_link
def enter(visit: Visit) -> HttpResponseBase:
    """Checks the password, if there is one, and counts an opening."""
    share = visit.share
    if visit.is_in:
        return HttpResponseRedirect(visit.url("page"))
    if share.is_used_up:
        return nowhere(visit.request)
    try:
        is_right = visits.check(share, visit.request.POST.get("password", ""), visit.address)
    except visits.TooManyGuesses:
        return _door(visit, _("The password was tried too often. Wait some minutes, then try again."), 429)
    if not is_right:
        return _door(visit, _("That is not the password. Ask whoever sent you the link."), 403)
    if not visits.open_link(share, visit.address):
        return nowhere(visit.request)
    response = HttpResponseRedirect(visit.url("page"))
    response.status_code = 303
    visit.remember(response)
    return response


@require_safe
@by_link
@inside
@limited(visits.READINGS)
def lines(visit: Visit) -> HttpResponseBase:
    """Answers with the lines that have the indexes `at`, or with all.

    With the text's `outline` where that is asked for, or there are too many.
    """
    shared = text.text_of(visit.share)
    if shared is None:
        return nowhere(visit.request)
    visit.note_reading()
    total = len(shared.segments)
    wants_all = "at" not in visit.request.GET
    if "outline" in visit.request.GET or (wants_all and total > MOST_AT_ONCE):
        rows = [row_of(segment) for segment in shared.segments]
        fields = outline(shared.row, rows, shared.speakers.values(), total=total) | _voices(shared)
        return JsonResponse(fields, json_dumps_params=COMPACT)
    every = lines_of(visit, shared)
    shown = every if wants_all else [every[index] for index in indexes_of(visit.request) if index < total]
    html = render_to_string("shared/_lines.html", {"lines": shown, "voiced": is_voiced(shared.row)})
    fields = {"revision": shared.row.revision, "total": total, "lines": html} | _voices(shared)
    return JsonResponse(fields, json_dumps_params=COMPACT)


def _voices(shared: SharedText) -> dict[str, str]:
    """Returns the list of who speaks, as the page has it."""
    return {"voices": render_to_string("shared/_voices.html", {"speakers": list(shared.speakers.values())})}


@require_safe
@by_link
@inside
@limited(visits.DOWNLOADS)
def download(visit: Visit, format: str) -> HttpResponseBase:
    shared = text.text_of(visit.share) if visit.share.with_download and format in exports.WRITERS else None
    if shared is None:
        return nowhere(visit.request)
    visit.note_reading()
    export = shared.rendered(format)
    read_audit.exported(visit.share, visit.address, format)
    disposition = content_disposition_header(True, export.file_name) or "attachment"
    return HttpResponse(export.body, export.content_type, headers={"Content-Disposition": disposition})


def elsewhere(request: HttpRequest, secret: str, rest: str) -> HttpResponseBase:
    return with_headers(nowhere(request))


def _door(visit: Visit, problem: str = "", status: int = 200) -> HttpResponse:
    """Says nothing of the recording."""
    share = visit.share
    is_guest = bool(share.email) and share.most_openings is None
    context = {
        "asks_password": bool(share.password),
        "is_guest": is_guest,
        "problem": problem,
        "here": visit.url("page"),
    }
    return render(visit.request, "shared/door.html", context, status=status)


def _context(visit: Visit, shared: SharedText | None) -> dict[str, Any]:
    share = visit.share
    shown = lines_of(visit, shared) if shared else []
    is_long = len(shown) > MOST_AT_ONCE
    hears = sound.gives_sound(share)
    is_ready = bool(hears and sound.sound_of(share, shared.row if shared else None))
    formats = [(name, visit.url("download", format=name)) for name in exports.WRITERS] if share.with_download else []
    return {
        "share": share,
        "recording": shared.row.recording if shared else text.plain_recording(share),
        "transcription": shared.row if shared else None,
        "lines": shown[:AT_FIRST] if is_long else shown,
        "total": len(shown),
        "is_long": is_long,
        "voiced": shared is not None and is_voiced(shared.row),
        "speakers": list(shared.speakers.values()) if shared else [],
        "hears": hears,
        "sound": visit.url("sound") if is_ready else "",
        "peaks": visit.url("peaks"),
        "lines_url": visit.url("lines"),
        "state_url": visit.url("state"),
        "text_state": live.text_state(visit, shared.row if shared else None),
        "struck_state": text.struck_state(visit.share),
        "downloads": formats if shared else [],
        "may_download_sound": share.with_download and is_ready,
        "may_correct": guests.CORRECT in visit.permissions,
        "comments_url": visit.url("comments") if guests.COMMENT in visit.permissions else "",
        "guest_name_longest": guests.LONGEST_NAME,
        "guest_email": share.email,
    }

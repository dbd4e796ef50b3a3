"""Corrects lines on the page of a link that lets its holders do so."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from portal.shared.access import Visit, by_link, inside, nowhere, writes
from portal.shared.comments import writer_of
from portal.shared.lines import lines_of
from portal.web.script_errors import GONE, script_errors
from portal.web.scripts import body_of, problem, tag_of
from portal.web.transcript_lines import is_voiced
from transcription.shares import corrections, guests
from transcription.shares.text import SLACK, text_of
from transcription.transcripts.revisions import Stale
from transcription.transcripts.validation import checked_text


@csrf_exempt
@require_POST
@by_link
@inside
@writes
@script_errors(PermissionDenied)
def correct(visit: Visit, index: int) -> HttpResponseBase:
    """Takes JSON with `text` and the displayed line's `etag` and `start`; answers with this line and the next, or 412
    with the line as it is now.
    """
    share = visit.share
    if guests.CORRECT not in visit.permissions:
        return nowhere(visit.request)
    body = body_of(visit.request)
    text = checked_text(body.get("text"))
    try:
        corrections.correct(share, writer_of(visit), index, tag_of(body), text)
    except Stale:
        return _differs(visit, index, body.get("start"))
    except Http404:
        return _gone()
    fields = _fields(visit, index)
    return JsonResponse(fields) if fields else _gone()


def _gone() -> JsonResponse:
    return problem(409, str(GONE))


def _differs(visit: Visit, index: int, start: object) -> JsonResponse:
    """Tells the line as it is now, unless another one stands in its place, which begins elsewhere."""
    now = _fields(visit, index)
    if now and isinstance(start, int | float) and abs(now["start"] - start) > SLACK:
        return _gone()
    return problem(412, _("Somebody else changed this segment meanwhile."), now=now)


def _fields(visit: Visit, index: int) -> dict[str, Any]:
    """Returns a line as it is now, and the one after it; nothing where there is no such line any more."""
    shared = text_of(visit.share)
    if shared is None or not index < len(shared.segments):
        return {}
    visit.note_reading()
    lines = lines_of(visit, shared)[index : index + 2]
    html = render_to_string("shared/_lines.html", {"lines": lines, "voiced": is_voiced(shared.row)})
    segment = shared.segments[index]
    return {
        "text": segment.text.strip(),
        "start": segment.start,
        "etag": corrections.tag_of(visit.share, shared, index),
        "change": {"revision": shared.row.revision, "first": index, "removed": 1, "added": 1, "lines": html},
    }

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

from portal.http.statuses import status_of
from portal.shared.access import Visit, by_link, inside, nowhere, writes
from portal.shared.comments import writer_of
from portal.shared.lines import lines_of
from portal.web.changes import problem
from portal.web.segments import body_of
from portal.web.transcript_lines import is_voiced
from transcription.errors import InvalidOption, Refused
from transcription.library.retention import TextDeleted
from transcription.shares import corrections, guests
from transcription.shares.text import SLACK, text_of
from transcription.transcripts.revisions import NotCompleted, Stale
from transcription.transcripts.validation import checked_text


@csrf_exempt
@require_POST
@by_link
@inside
@writes
def correct(visit: Visit, index: int) -> HttpResponseBase:
    """Takes JSON with `text` and the displayed line's `etag` and `start`; answers with this line and the next, or 412
    with the line as it is now.
    """
    share = visit.share
    if guests.CORRECT not in visit.permissions:
        return nowhere(visit.request)
    try:
        body = body_of(visit.request)
        text, tag = checked_text(body.get("text")), str(body.get("etag", ""))
        corrections.correct(share, writer_of(visit), index, tag, text)
    except InvalidOption as invalid:
        return problem(400, str(invalid))
    except Refused as refused:
        return problem(status_of(refused.code), refused.message)
    except PermissionDenied as denied:
        return problem(403, str(denied))
    except Stale:
        return _differs(visit, index, body.get("start"))
    except (NotCompleted, TextDeleted, Http404):
        return _gone()
    fields = _fields(visit, index)
    return JsonResponse(fields) if fields else _gone()


def _gone() -> JsonResponse:
    return problem(409, _("The text can’t be corrected any more. Reload the page."))


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

"""What tells an open page of a link that something else is to be shown: it has no socket, and asks now and then."""

from __future__ import annotations

from django.http import JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from portal.shared.access import Visit, by_link, inside, limited
from transcription.models import Transcription
from transcription.shares import comments, guests, text, visits


@require_safe
@by_link
@inside
@limited(visits.LOOKS)
def state(visit: Visit) -> HttpResponseBase:
    """Answers with the states of the text and of the comments, which differ where these do; counts no opening."""
    row = text.newest(visit.share)
    fields = {
        "text": text_state(visit, row),
        "revision": row.revision if row else 0,
        "comments": comments.state_of(visit.share) if guests.COMMENT in visit.permissions else "",
    }
    return JsonResponse(fields)


def text_state(visit: Visit, row: Transcription | None) -> str:
    """Returns what stays as it is while lines are corrected, which the revision tells; empty without a text."""
    may_correct = guests.CORRECT in visit.permissions
    return f"{text.state_of(row)}{'+' if may_correct else ''}" if row else ""

"""What tells an open page of a link that something else is to be shown: it has no socket, and asks now and then."""

from __future__ import annotations

from django.http import JsonResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portal.shared.access import Visit, by_link, limited
from portal.web.scripts import problem
from transcription.models import Transcription
from transcription.shares import comments, guests, text, visits


@require_safe
@by_link
@limited(visits.LOOKS)
def state(visit: Visit) -> HttpResponseBase:
    """Answers with the states of text, strikes and comments, which differ where these do; counts no opening.

    403 is for a page whose bearer has to ask anew.
    """
    if not visit.is_in:
        return problem(403, _("Load the page again."))
    row = text.newest(visit.share)
    fields = {
        "text": text_state(visit, row),
        "struck": text.struck_state(visit.share),
        "revision": row.revision if row else 0,
        "comments": comments.state_of(visit.share) if guests.COMMENT in visit.permissions else "",
    }
    return JsonResponse(fields)


def text_state(visit: Visit, row: Transcription | None) -> str:
    """Returns what stays as it is while lines are corrected, which the revision tells; empty without a text."""
    may_correct = guests.CORRECT in visit.permissions
    return f"{row.id}{'+' if may_correct else ''}" if row else ""

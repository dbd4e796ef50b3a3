"""Corrections by a link: lines that it shows whole, as members correct them."""

from __future__ import annotations

import hmac

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from tenants.throttle import Limit
from transcription.errors import Refused
from transcription.shares import guests
from transcription.shares.guests import Writer
from transcription.shares.models import Share
from transcription.shares.text import SharedText, newest, text_of
from transcription.transcripts import editing
from transcription.transcripts.revisions import ANY, Stale, locked

OF_A_DAY = Limit("corrections of a recording by links", 300, 86_400)
"""Fewer than the revisions that are kept, so that no link pushes out what its corrections replaced."""


def tag_of(share: Share, shared: SharedText, index: int) -> str:
    """Returns the tag of a line; empty where the link gives only a part of it, or a word is struck.

    It says neither where the line stands in the transcript nor how often that was corrected.
    """
    place = shared.places[index]
    if place is None:
        return ""
    salt, line = f"transcription.shares.line.{share.id}", f"{shared.row.id}.{place}.{shared.segments[index].revision}"
    return salted_hmac(salt, line, algorithm="sha256").hexdigest()[:16]


def correct(share: Share, who: Writer, index: int, tag: str, text: str) -> SharedText:
    """Corrects the text of a line that has the tag, and returns the text that the link gives then.

    Raises as `editing.edit` does, and PermissionDenied and Refused.
    """
    row = newest(share)
    if row is None:
        raise Http404(_("There is no such segment."))
    who = guests.introduced(share, who)
    with locked(guests.actor_of(share, who), row.id):
        actor = guests.held(share, who)
        actor.require(guests.CORRECT)
        shared = text_of(share)
        if shared is None or not index < len(shared.segments):
            raise Http404(_("There is no such segment."))
        place = shared.places[index]
        if place is None or shared.row.id != row.id:
            raise PermissionDenied(_("Only the organisation corrects this line: you don’t see all of it."))
        current = tag_of(share, shared, index)
        if not hmac.compare_digest(current, tag.encode("ascii", "replace").decode()):
            raise Stale(current)
        if not OF_A_DAY.take(str(share.recording_id)):
            raise Refused("too_many_corrections", _("Too much was corrected by links today. Try again tomorrow."))
        editing.edit(actor, row.id, place, {ANY}, text)
    after = text_of(share)
    assert after is not None
    return after

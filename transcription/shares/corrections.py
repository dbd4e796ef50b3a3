"""Corrections by a link: lines that it shows whole, as members correct them."""

from __future__ import annotations

import hmac

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants.throttle import Limit
from transcription.errors import Refused
from transcription.models import Transcription
from transcription.shares import guests
from transcription.shares.guests import Writer
from transcription.shares.models import Share
from transcription.shares.text import SharedText, newest, text_of
from transcription.strikes import MASK, redacted_segments, spans_of
from transcription.transcripts import editing
from transcription.transcripts.revisions import ANY, Stale, locked, struck_now

OF_A_DAY = Limit("corrections of a recording by links", 300, 86_400)
"""A brake; that they never cost the history of members is looked after where it is kept."""
NOT_ALL = gettext_lazy("Only the organisation corrects this line: you don’t see all of it.")


def tag_of(share: Share, shared: SharedText, index: int) -> str:
    """Returns the tag of a line; empty where the link gives only a part of it, or a word is struck.

    It says neither where the line stands in the transcript nor how often that was corrected.
    """
    place = shared.places[index]
    if place is None:
        return ""
    salt, line = f"transcription.shares.line.{share.id}", f"{shared.row.id}.{place}.{shared.segments[index].revision}"
    return salted_hmac(salt, line, algorithm="sha256").hexdigest()[:16]


def correct(share: Share, who: Writer, index: int, tag: str, text: str) -> None:
    """Corrects the text of a line that has the tag. Raises as `editing.edit` does, and PermissionDenied and Refused."""
    who = guests.introduced(share, who)
    shared = text_of(share)  # reads the whole text, so before others wait for the lock
    if shared is None or not index < len(shared.segments):
        raise Http404(_("There is no such segment."))
    line, place = shared.segments[index], shared.places[index]
    if place is None:
        raise PermissionDenied(NOT_ALL)
    current = tag_of(share, shared, index)
    if not hmac.compare_digest(current, tag.encode("ascii", "replace").decode()):
        raise Stale(current)
    with locked(guests.actor_of(share, who), shared.row.id) as row:
        actor = guests.held(share, who)
        actor.require(guests.CORRECT)
        _require_as_shown(share, row, place, line.revision)
        if text != line.text.strip() and not OF_A_DAY.take(str(share.recording_id)):
            raise Refused("too_many_corrections", _("Too much was corrected by links today. Try again tomorrow."))
        editing.edit(actor, row.id, place, {ANY}, text)


def _require_as_shown(share: Share, row: Transcription, place: int, revision: int) -> None:
    """Raises Http404, Stale and PermissionDenied where a line is another one since it was read, or was struck."""
    now = newest(share)
    if now is None or now.id != row.id:
        raise Http404(_("There is no such segment."))
    line = row.segments.filter(index=place).first()
    if line is None or line.revision != revision:
        raise Stale("")
    row.recording.struck = [list(one) for one in struck_now(row)]
    [shown] = redacted_segments([line], spans_of(row))
    if MASK in shown.text:
        raise PermissionDenied(NOT_ALL)

"""What a link's holder sees of the comments, and writes: within the excerpt, and as members do it."""

from __future__ import annotations

import hashlib
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext as _

from transcription.comments import threads
from transcription.comments.mentions import MENTION
from transcription.errors import InvalidOption
from transcription.models import Comment
from transcription.shares import guests
from transcription.shares.guests import Writer
from transcription.shares.models import Share
from transcription.shares.text import SLACK, text_of
from transcription.strikes import overlaps, united
from transcription.strikes.spans import Span
from transcription.transcripts import striking
from transcription.transcripts.striking import Words


def threads_of(share: Share) -> list[tuple[Comment, list[Comment]]]:
    """Returns the threads within the excerpt by their place, and what of the replies is shown; times count from its
    first second. What anybody says of struck passages is left out, since it may quote them.
    """
    found, struck = [], united(share.recording.struck)
    for row in threads.threads(guests.actor_of(share), share.recording_id):
        if _is_shown(share, row, struck):
            replies = [reply for reply in row.replies.all() if _is_shown(share, reply, struck)]
            found.append((row, replies))
    for row, replies in found:
        for one in (row, *replies):
            one.start, one.end = one.start - _begin(share), one.end - _begin(share)
    return found


def state_of(share: Share) -> str:
    """Returns what differs where `threads_of` gives something else."""
    rows = Comment.objects.filter(recording=share.recording_id).only(
        "start", "end", "colour", "edited_at", "resolved_at"
    )
    struck = united(share.recording.struck)
    shown = [row for row in rows if _is_shown(share, row, struck)]
    told = sorted((str(row.id), row.colour, row.edited_at, row.resolved_at) for row in shown)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def shown_text(row: Comment) -> str:
    """Returns a comment's text without the addresses of who is mentioned."""
    return row.text if row.guest else MENTION.sub("@…", row.text)


def shown_author(share: Share, row: Comment) -> str:
    """Returns who is said to have written a comment: of the organisation's people it is the organisation."""
    return row.guest_name or str(share.tenant)


def comment(share: Share, who: Writer, what: Words | Span, text: object, colour: object) -> None:
    """Comments on words, or seconds, as the link shows them.

    Raises InvalidOption, PermissionDenied, Http404, Refused and TextDeleted, as all functions here do.
    """
    span = _span(share, what)  # reads the whole text, so before others wait for the lock
    with guests.writing(share, who) as actor:
        threads.comment(actor, share.recording_id, *span, text, colour)


def reply(share: Share, who: Writer, parent: UUID, text: object) -> None:
    with guests.writing(share, who) as actor:
        _require_shown(share, parent)
        threads.reply(actor, share.recording_id, parent, text)


def change(share: Share, who: Writer, comment_id: UUID, text: object, colour: object) -> None:
    with guests.writing(share, who) as actor:
        _require_shown(share, comment_id)
        threads.change(actor, share.recording_id, comment_id, text, colour)


def resolve(share: Share, who: Writer, comment_id: UUID, *, again: bool = False) -> None:
    with guests.writing(share, who) as actor:
        _require_shown(share, comment_id)
        threads.resolve(actor, share.recording_id, comment_id, again=again)


def delete(share: Share, who: Writer, comment_id: UUID) -> None:
    with guests.writing(share, who) as actor:
        _require_shown(share, comment_id)
        threads.delete(actor, share.recording_id, comment_id)


def _begin(share: Share) -> float:
    return share.start or 0.0


def _is_shown(share: Share, row: Comment, struck: list[Span]) -> bool:
    first, last = share.excerpt or (0.0, float("inf"))
    if row.start < first - SLACK or row.end > last + SLACK:
        return False
    return not overlaps(struck, row.start, row.end)


def _require_shown(share: Share, comment_id: UUID) -> None:
    """Raises Http404."""
    row = Comment.objects.filter(recording=share.recording_id, id=comment_id).select_related("parent").first()
    struck = united(share.recording.struck)
    if row is None or not all(_is_shown(share, one, struck) for one in (row, row.parent) if one):
        raise Http404(_("There is no such comment."))


def _span(share: Share, what: Words | Span) -> Span:
    """Returns seconds of the recording. Raises Http404 and InvalidOption."""
    if isinstance(what, Words):
        shared = text_of(share)
        spans = striking.seconds_of_words(shared.segments[what.first : what.last + 1] if shared else [], what)
        what = spans[0][0], spans[-1][1]
    first, last = share.excerpt or (0.0, share.recording.duration_seconds)
    start, end = max(first, what[0] + first), min(last, what[1] + first)
    if not start < end:
        raise InvalidOption("end", _("A passage must end after it starts, and start within the recording."))
    return start, end

"""Who writes by a link, without an account: what they may, under which name, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from unicodedata import combining, normalize
from uuid import UUID, uuid5

from django.conf import settings
from django.db import transaction
from django.http import Http404
from django.utils import translation
from django.utils.translation import gettext as _

from tenants.access import Actor, Guest, guest_actor, member_actor
from tenants.models import Member
from transcription import tenant_lock
from transcription.errors import InvalidOption
from transcription.folders.visibility import among
from transcription.shares.models import Level, Share, open_ones

LONGEST_NAME = 60
NO_VISIT = UUID(int=0)
LOOK, COMMENT, CORRECT = "recordings.view", "comments.write", "transcripts.edit"
GIVES: dict[str, frozenset[str]] = {
    Level.VIEW: frozenset(),
    Level.COMMENT: frozenset({LOOK, COMMENT}),
    Level.EDIT: frozenset({LOOK, COMMENT, CORRECT}),
}


@dataclass(frozen=True)
class Writer:
    """What a page says of who writes: the name that they gave, and a number that it made for this visit.

    `visitor` is what their address is called in the list of the link's visitors.
    """

    name: str = ""
    visit: UUID = NO_VISIT
    visitor: str = ""


NOBODY = Writer()


def permissions_of(share: Share) -> frozenset[str]:
    """Returns what a link lets its holders do beside looking: no more than its maker may do there now.

    One that was kept, or that no member made, is the organisation's own.
    """
    given = GIVES[share.level]
    if not given or share.kept_at is not None or not share.made_by:
        return given
    rows = Member.objects.filter(tenant=share.tenant_id, user=share.created_by_id).select_related("tenant", "user")
    maker = rows.first()
    return given & among(member_actor(maker), share.recording.folder).permissions if maker else frozenset()


def actor_of(share: Share, who: Writer = NOBODY) -> Actor:
    """Returns the actor of a link's holder."""
    if share.email:
        who = Writer(share.email.partition("@")[0], visitor=who.visitor)
    with translation.override(settings.LANGUAGE_CODE):  # it is kept, and read by people of all languages
        names = {"name": share.email or who.name, "label": share.label or str(share.id)[:8]}
        full = _("%(name)s (by link %(label)s)") % names
    guest = Guest(share.id, share.recording_id, uuid5(share.id, str(who.visit)), who.name, full, who.visitor)
    return guest_actor(share.tenant, guest, permissions_of(share))


@contextmanager
def writing(share: Share, who: Writer) -> Iterator[Actor]:
    """Makes one transaction in which the link works until its end.

    Raises InvalidOption without a name, Refused, and Http404 for a link that ended since it was found.
    """
    who = introduced(share, who)
    with transaction.atomic():
        tenant_lock.lock_for_adding(share.tenant_id)
        yield held(share, who)


def held(share: Share, who: Writer) -> Actor:
    """Keeps a link from ending until the transaction does, and returns the actor. Raises Http404 if it has ended."""
    rows = Share.objects.select_for_update(of=("self",), no_key=True).filter(open_ones(), id=share.id)
    now = rows.select_related("tenant", "recording__folder").first()
    if now is None:
        raise Http404
    return actor_of(now, who)


def introduced(share: Share, who: Writer) -> Writer:
    """Returns who writes, with the name as it is shown; a guest by e-mail has theirs. Raises InvalidOption."""
    if share.email:
        return who
    name = " ".join(normalize("NFKC", who.name).split())
    if not name:
        raise InvalidOption("name", _("Say who you are first: write your name above the comments."))
    marks = "".join("-" if combining(character) else " " for character in name)
    if len(name) > LONGEST_NAME or not name.isprintable() or "---" in marks:
        message = _("A name can have at most %(n)d characters, none of them invisible or a heap of marks.")
        raise InvalidOption("name", message % {"n": LONGEST_NAME})
    return replace(who, name=name)

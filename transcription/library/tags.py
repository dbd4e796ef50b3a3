"""An organisation's tags: made where they are used, renamed, merged and deleted; and a person's favourites.

Rules, views and filters mean a tag, too: a key that is limited to folders makes and uses tags, but changes none. A tag
may be on 100,000 recordings: what takes it off them all does so in batches, each a transaction of its own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from tenants.shortcuts import first_or_404
from transcription import tenant_lock
from transcription.errors import InvalidOption
from transcription.folders.visibility import MANAGE, among, seen, sees_all
from transcription.library import recordings
from transcription.models import Favourite, Recording, Tag, Tagging
from transcription.models.tag import COLOURS, LONGEST, LONGEST_FOLDED, MOST_ON_ONE, MOST_TAGS, folded_name
from transcription.scripts import one_line, without_turns

PERMISSION = "transcripts.edit"
BATCH = 500


def visible(actor: Actor) -> QuerySet[Tag]:
    """Returns the tenant's tags, in the order of the alphabet."""
    actor.require("recordings.view")
    return Tag.objects.filter(tenant=actor.tenant)


def get(actor: Actor, tag_id: UUID) -> Tag:
    """Raises Http404."""
    return first_or_404(visible(actor).filter(id=tag_id), _("There is no such tag."))


def named(actor: Actor, name: str) -> Tag | None:
    """Returns the tag of that name, in any case; None where there is none."""
    return visible(actor).filter(folded=folded_name(one_line(name))).first()


def create(actor: Actor, name: str, colour: int | None = None) -> tuple[Tag, bool]:
    """Returns the tag of that name, and whether it is new. Raises InvalidOption, and Refused for a tenant that ends."""
    actor.require(PERMISSION)
    row = Tag(tenant=actor.tenant, name=_checked_name(name), colour=_checked_colour(colour or 0))
    row.folded = folded_name(row.name)
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        known = visible(actor).filter(folded=row.folded).first()
        if known is not None:
            return known, False
        count = visible(actor).count()
        if count >= MOST_TAGS:
            raise InvalidOption("name", _("There are %(n)d tags, which is the most.") % {"n": MOST_TAGS})
        if colour is None:
            row.colour = count % COLOURS
        row.save(force_insert=True)
        audit.record(actor, "tag.created", row)
    return row, True


def change(actor: Actor, tag_id: UUID, name: str | None = None, colour: int | None = None) -> Tag:
    """Renames a tag or gives it another colour. Raises Http404, and InvalidOption for a name of another tag."""
    among(actor, None).require(PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = get(actor, tag_id)
        if name is not None:
            row.name = _checked_name(name)
            row.folded = folded_name(row.name)
        row.colour = row.colour if colour is None else _checked_colour(colour)
        if visible(actor).filter(folded=row.folded).exclude(id=row.id).exists():
            message = _("There is a tag “%(name)s”. Merge this one into it, or choose another name.")
            raise InvalidOption("name", message % {"name": row.name})
        _require_writable(actor, row)
        row.save(update_fields=["name", "folded", "colour"])
        audit.record(actor, "tag.changed", row)
    return row


def merge(actor: Actor, tag_id: UUID, into_id: UUID) -> Tag:
    """Puts a tag's recordings under another one and deletes it. Raises Http404 and InvalidOption."""
    among(actor, None).require(PERMISSION)
    row, into = get(actor, tag_id), get(actor, into_id)
    if row == into:
        raise InvalidOption("into", _("A tag can’t be merged into itself."))
    _require_writable(actor, row)
    _require_writable(actor, into)
    while not _delete(actor, row, "tag.merged", into):
        _empty_some(actor, row, into)
    return into


def delete(actor: Actor, tag_id: UUID) -> None:
    """Takes a tag off all recordings and deletes it. Raises Http404 and InvalidOption."""
    among(actor, None).require(PERMISSION)
    row = get(actor, tag_id)
    _require_writable(actor, row)
    while not _delete(actor, row, "tag.deleted"):
        _empty_some(actor, row)


def too_many() -> str:
    return _("A recording has at most %(n)d tags.") % {"n": MOST_ON_ONE}


def put(actor: Actor, recording_id: UUID, name: str) -> Tag:
    """Gives a recording a tag, which is made if there is none of that name. Raises Http404 and InvalidOption."""
    actor.require(PERMISSION)
    recordings.recording(actor, recording_id, permission=PERMISSION)
    with transaction.atomic():
        row, _is_new = create(actor, name)
        if put_on_many(actor, row, [recording_id]):
            raise InvalidOption("name", too_many())
    return row


def put_on_many(actor: Actor, tag: Tag, ids: Collection[UUID]) -> set[UUID]:
    """Gives up to BATCH recordings a tag; returns those that have as many as they can. Raises Http404."""
    actor.require(PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        get(actor, tag.id)
        living = writable(actor, ids)
        lacking = set(living.exclude(taggings__tag=tag).values_list("id", flat=True))
        counted = Tagging.objects.filter(recording__in=lacking).values("recording").annotate(n=Count("id"))
        full = set(counted.filter(n__gte=MOST_ON_ONE).values_list("recording", flat=True))
        _insert(tag, lacking - full)
    return full


def writable(actor: Actor, ids: Collection[UUID]) -> QuerySet[Recording]:
    """Returns those of the recordings that the actor may give tags, without an order."""
    rows = Recording.objects.filter(seen(actor, permission=PERMISSION), tenant=actor.tenant, deleted_at=None)
    return rows.filter(id__in=ids)


def take(actor: Actor, recording_id: UUID, tag_id: UUID) -> None:
    """Takes a tag off a recording. Raises Http404."""
    recordings.recording(actor, recording_id, permission=PERMISSION)
    take_off_many(actor, get(actor, tag_id), [recording_id])


def take_off_many(actor: Actor, tag: Tag, ids: Collection[UUID]) -> None:
    """Takes a tag off up to BATCH recordings."""
    actor.require(PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        Tagging.objects.filter(tag=tag, recording__in=writable(actor, ids)).delete()


def favourites_among(actor: Actor, rows: Collection[Recording]) -> set[UUID]:
    """Returns the ids of those that the person has marked."""
    marked = Favourite.objects.filter(tenant=actor.tenant, user=actor.user, recording__in=[row.id for row in rows])
    return set(marked.values_list("recording_id", flat=True))


def mark(actor: Actor, recording_id: UUID, favourite: bool) -> None:
    """Marks a recording as one of the person's favourites, or no longer. Raises Http404."""
    row = recordings.recording(actor, recording_id)
    if favourite:
        marked = Favourite(tenant=actor.tenant, user=actor.user, recording=row)
        Favourite.objects.bulk_create([marked], ignore_conflicts=True)
    else:
        Favourite.objects.filter(tenant=actor.tenant, user=actor.user, recording=row).delete()


def _checked_name(sent: str) -> str:
    """Raises InvalidOption. A comma stands between the tags of a filter, and is in no name."""
    name = one_line(without_turns(sent))
    is_seen = any(unicodedata.category(c)[0] not in "CZ" for c in name)
    if not (is_seen and len(name) <= LONGEST and len(folded_name(name)) <= LONGEST_FOLDED) or "," in folded_name(name):
        raise InvalidOption("name", _("A tag has from 1 to %(n)d characters, and no comma.") % {"n": LONGEST})
    return name


def _checked_colour(colour: int) -> int:
    """Raises InvalidOption."""
    if not 0 <= colour < COLOURS:
        raise InvalidOption("colour", _("A colour is a number from 0 to %(n)d.") % {"n": COLOURS - 1})
    return colour


def _insert(tag: Tag, ids: Collection[UUID]) -> None:
    rows = [Tagging(tenant_id=tag.tenant_id, tag=tag, recording_id=one) for one in ids]
    Tagging.objects.bulk_create(rows, ignore_conflicts=True)


def _empty_some(actor: Actor, tag: Tag, into: Tag | None = None) -> None:
    """Takes a tag off BATCH recordings, for another one if there is one. Raises Http404."""
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        _require_writable(actor, tag)
        ids = list(Tagging.objects.filter(tag=tag).order_by("recording").values_list("recording", flat=True)[:BATCH])
        Tagging.objects.filter(tag=tag, recording__in=ids).delete()
        if into is not None:
            _insert(get(actor, into.id), ids)


def _require_writable(actor: Actor, tag: Tag) -> None:
    """Raises InvalidOption for a tag of recordings that the actor can't tag, which is its other ones' affair, too."""
    if (tag.audio_retention_days or tag.text_retention_days) and not actor.may(MANAGE):
        message = _("The tag “%(name)s” says how long recordings are kept. Ask an owner or an admin.")
        raise InvalidOption("tag", message % {"name": tag.name})
    unwritable = ~seen(actor, "recording", PERMISSION)
    if not sees_all(actor) and Tagging.objects.filter(unwritable, tag=tag).exists():
        message = _("This tag is on recordings that you can’t correct, too. Ask an owner or an admin.")
        raise InvalidOption("tag", message)


def _delete(actor: Actor, row: Tag, action: str, into: Tag | None = None) -> bool:
    """Deletes a tag that is on no recording any more; returns whether it was so. Raises Http404."""
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        if Tagging.objects.filter(tag=row).exists():
            return False
        audit.record(actor, action, row, **({"into": str(into.id)} if into else {}))
        get(actor, row.id).delete()
    return True

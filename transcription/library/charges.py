"""The ledger as an actor may read it: what was charged, without names of recordings that they don't see."""

from __future__ import annotations

from datetime import date

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet, Value

from tenants import usage
from tenants.access import Actor
from tenants.models import ApiKey, LedgerEntry, User
from transcription.folders.visibility import seen, sees_all, within_limits
from transcription.models import Transcription


def entries(actor: Actor, month: date | None = None) -> QuerySet[LedgerEntry]:
    """Returns the ledger of the actor's tenant, newest first. Describe its entries with `named`.

    Of a recording that is erased nobody knows any more who saw it: it is named to those who see all, and to whoever
    was charged for it, unless it is a key that is limited to folders now.
    """
    actor.require("usage.view")
    rows = usage.entries(actor.tenant, month)
    if sees_all(actor):
        return rows.annotate(is_named=Value(True))
    own = _charged(actor)
    visible = Transcription.objects.filter(
        seen(actor, "recording"), tenant=actor.tenant, id=OuterRef("transcription_id")
    )
    return rows.annotate(is_named=ExpressionWrapper(own | Exists(visible), BooleanField()))


def _charged(actor: Actor) -> Q:
    """Selects what the actor was charged for, of which they know already."""
    if actor.key is None:
        return Q(user=actor.user, api_key=None)
    return Q(api_key=actor.key) if within_limits(actor, None) else Q(pk__in=())


def caused_by(actor: Actor, entry: LedgerEntry) -> tuple[User | None, ApiKey | None]:
    """Returns the member and the key of an entry; a key with limits learns them of what it sees only."""
    knows = vars(entry)["is_named"] or within_limits(actor, None)
    return (entry.user, entry.api_key) if knows else (None, None)


def named(entry: LedgerEntry) -> tuple[str, str]:
    """Returns the id of an entry's transcription and the name of its recording; empty for who doesn't see it."""
    return (str(entry.transcription_id), entry.description) if vars(entry)["is_named"] else ("", "")

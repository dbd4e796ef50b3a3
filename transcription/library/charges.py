"""The ledger as an actor may read it: what was charged, without names of recordings that they don't see."""

from __future__ import annotations

from datetime import date

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet, Value

from tenants import usage
from tenants.access import Actor
from tenants.models import LedgerEntry
from transcription.folders.visibility import seen, sees_all
from transcription.models import Transcription


def entries(actor: Actor, month: date | None = None) -> QuerySet[LedgerEntry]:
    """Returns the ledger of the actor's tenant, newest first. Describe its entries with `named`.

    Of a recording that is erased nobody knows any more who saw it: it is named to those who see all, and to whoever
    was charged for it.
    """
    actor.require("usage.view")
    rows = usage.entries(actor.tenant, month)
    if sees_all(actor):
        return rows.annotate(is_named=Value(True))
    own = Q(api_key=actor.key) if actor.key else Q(user=actor.user, api_key=None)
    visible = Transcription.objects.filter(
        seen(actor, "recording"), tenant=actor.tenant, id=OuterRef("transcription_id")
    )
    return rows.annotate(is_named=ExpressionWrapper(own | Exists(visible), BooleanField()))


def named(entry: LedgerEntry) -> tuple[str, str]:
    """Returns the id of an entry's transcription and the name of its recording; empty for who doesn't see it."""
    return (str(entry.transcription_id), entry.description) if vars(entry)["is_named"] else ("", "")

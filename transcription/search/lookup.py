"""Looking a query up: which entries have all its terms, newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from tenants import scope
from tenants.access import Actor
from transcription.models import SearchEntry
from transcription.search.folding import Term
from transcription.search.tokens import query_of

NEWEST = ("-created_at", "-recording_id")
PROBE_SIZE = 64
COMMON_MATCHES = 3
"""Of those probed, from which on reading further costs less than the index: it would find very many."""


@dataclass(frozen=True)
class Cursor:
    """The last entry of a page: the next page begins behind it."""

    created_at: datetime
    recording_id: UUID


def page(
    actor: Actor, terms: Sequence[Term], after: Cursor | None, limit: int
) -> tuple[list[SearchEntry], Cursor | None]:
    """At most `limit` entries of the actor's tenant that have every term, and the place where more follow."""
    actor.require("recordings.view")
    if not terms:
        return [], None
    search = _search_postgresql if connection.vendor == "postgresql" else _scan
    found = search(actor.tenant.id, terms, after, limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], Cursor(last.created_at, last.recording_id) if last else None


def matching_recordings(tenant_id: UUID, terms: Sequence[Term]) -> QuerySet[SearchEntry, UUID]:
    """The ids of the recordings in which every term stands, for a subquery; none without terms."""
    rows = SearchEntry.objects.none()
    if terms and connection.vendor == "postgresql":
        rows = _indexed(tenant_id, terms)
    elif terms:
        rows = _matching(_of_tenant(tenant_id), terms)
    return rows.order_by().values_list("recording_id", flat=True)


def _of_tenant(tenant_id: UUID) -> QuerySet[SearchEntry]:
    shown = SearchEntry.objects.filter(tenant_id=tenant_id).order_by(*NEWEST)
    return shown.only("recording", "tenant", "created_at", "transcription_id", "folded")


def _scan(tenant_id: UUID, terms: Sequence[Term], after: Cursor | None, count: int) -> list[SearchEntry]:
    """The text of one entry after another, until there are enough."""
    return list(_matching(_after(_of_tenant(tenant_id), after), terms)[:count])


def _search_postgresql(tenant_id: UUID, terms: Sequence[Term], after: Cursor | None, count: int) -> list[SearchEntry]:
    """What is common is found among the newest entries; PostgreSQL looks into the index only for what is not.

    Its planner can't know which is which: it has no statistics of one tenant's words. So a few entries are read,
    and if that says that a page's worth is near, as many as it takes.
    """
    found = list(_among_newest(tenant_id, terms, after, PROBE_SIZE)[:count])
    if COMMON_MATCHES <= len(found) < count:
        found = list(_among_newest(tenant_id, terms, after, 2 * PROBE_SIZE * count // len(found))[:count])
    if len(found) < count:
        found = list(_after(_indexed(tenant_id, terms), after)[:count])
    return found


def _among_newest(tenant_id: UUID, terms: Sequence[Term], after: Cursor | None, reach: int) -> QuerySet[SearchEntry]:
    rows = _of_tenant(tenant_id)
    newest = _after(rows, after).values("pk")[:reach]
    return _matching(rows.filter(pk__in=newest), terms)


def _after(rows: QuerySet[SearchEntry], after: Cursor | None) -> QuerySet[SearchEntry]:
    if after is None:
        return rows
    at, of = after.created_at, after.recording_id
    return rows.filter(Q(created_at__lt=at) | Q(created_at=at, recording_id__lt=of))


def _indexed(tenant_id: UUID, terms: Sequence[Term]) -> QuerySet[SearchEntry]:
    """By the index of tokens, whose every lexeme is marked with its tenant.

    The tenant is compared in a way that keeps PostgreSQL from reading all of its entries instead.
    """
    with scope.across_tenants("the tenant is compared below, row by row"):
        rows = SearchEntry.objects.annotate(owner=Coalesce("tenant_id", "tenant_id")).filter(owner=tenant_id)
        shown = rows.only("recording", "tenant", "created_at", "transcription_id", "folded")
        return _matching(shown.order_by(*NEWEST), terms, query_of(tenant_id, terms))


def _matching(rows: QuerySet[SearchEntry], terms: Sequence[Term], tokens: str = "") -> QuerySet[SearchEntry]:
    """With the terms in their tokens, or else in their text.

    Tokens know the pairs of an unspaced run, not whether the pairs stand together.
    """
    if tokens:
        rows = rows.filter(tokens__matches_tsquery=tokens)
    for term in terms:
        if not tokens or (term.is_unspaced and len(term.text) > 2):
            rows = rows.filter(folded__contains=term.pattern)
    return rows

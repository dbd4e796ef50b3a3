"""Finds the entries that contain all terms of a query, newest first, in pages."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from tenants import scope
from tenants.access import Actor
from transcription.folders.visibility import seen_in_lists
from transcription.models import Recording, SearchEntry
from transcription.search.folding import Term
from transcription.search.tokens import query_of

NEWEST = ("-created_at", "-recording_id")
PROBE_SIZE = 64
COMMON_MATCHES = 3
"""With at least this many matches among the probed entries, scanning is cheaper than the index."""


@dataclass(frozen=True)
class Cursor:
    """The last entry of a page, after which the next one begins."""

    created_at: datetime
    recording_id: UUID

    def __str__(self) -> str:
        """The cursor for clients, which `parse` reads."""
        return base64.urlsafe_b64encode(f"{self.created_at.isoformat()} {self.recording_id}".encode()).decode()

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises ValueError for what is not the text of a cursor."""
        created_at, recording_id = base64.urlsafe_b64decode(text.encode()).decode().split(" ")
        found = cls(datetime.fromisoformat(created_at), UUID(recording_id))
        try:
            found.created_at.utctimetuple()
        except OverflowError:
            raise ValueError(text) from None
        if found.created_at.tzinfo is None:
            raise ValueError(text)
        return found


def page(
    actor: Actor, terms: Sequence[Term], after: Cursor | None, limit: int
) -> tuple[list[SearchEntry], Cursor | None]:
    """Returns at most `limit` matching entries that the actor sees, and the cursor of the next page if any."""
    actor.require("recordings.view")
    if not terms:
        return [], None
    search = _search_postgresql if connection.vendor == "postgresql" else _scan
    entries = search(actor, terms, after, limit + 1)
    last = entries[limit - 1] if len(entries) > limit else None
    return entries[:limit], Cursor(last.created_at, last.recording_id) if last else None


def matching_recordings(tenant_id: UUID, terms: Sequence[Term]) -> QuerySet[SearchEntry, UUID]:
    """Returns the ids of the matching recordings, for a subquery; none without terms."""
    rows = SearchEntry.objects.none()
    if terms and connection.vendor == "postgresql":
        rows = _indexed(tenant_id, terms)
    elif terms:
        rows = _matching(SearchEntry.objects.filter(tenant_id=tenant_id), terms)
    return rows.order_by().values_list("recording_id", flat=True)


def names_containing(tenant_id: UUID, terms: Sequence[Term]) -> QuerySet[SearchEntry, UUID]:
    """Returns the ids of recordings whose names may have the terms, anywhere in words. PostgreSQL only."""
    return _indexed(tenant_id, terms, inside=True).order_by().values_list("recording_id", flat=True)


def is_matching(tenant_id: UUID, terms: Sequence[Term]) -> Subquery:
    """Tests a recording for the terms, without looking for the others that match. PostgreSQL only."""
    with scope.across_tenants("a recording's entry is its tenant's"):
        entry = SearchEntry.objects.filter(recording=OuterRef("pk"))
    condition = Q(tokens__matches_tsquery=query_of(tenant_id, terms))
    for term in _longer_runs(terms):
        condition &= Q(folded__contains=term.pattern)
    test = ExpressionWrapper(condition, output_field=BooleanField())
    return Subquery(entry.values_list(test)[:1], output_field=BooleanField())


def matches_among_some(recordings: QuerySet[Recording], tenant_id: UUID, terms: Sequence[Term]) -> int:
    """Returns how many of some of the recordings match, PROBE_SIZE at most: how common it is where one looks.

    The index has those, too, that the recordings' conditions leave out. PostgreSQL only.
    """
    probed = recordings.order_by().values_list(is_matching(tenant_id, terms), flat=True)[:PROBE_SIZE]
    return sum(map(bool, probed))


def _scan(actor: Actor, terms: Sequence[Term], after: Cursor | None, count: int) -> list[SearchEntry]:
    """Scans the entries' text until there are enough matches."""
    rows = _newest(actor).filter(seen_in_lists(actor, "recording"))
    return list(_matching(_after(rows, after), terms)[:count])


def _search_postgresql(actor: Actor, terms: Sequence[Term], after: Cursor | None, count: int) -> list[SearchEntry]:
    """Scans the newest entries for common terms, and uses the index for rare ones.

    PostgreSQL's planner has no statistics of one tenant's words, so a few entries are probed first; if they suggest
    that a page can be filled by scanning, as many as that takes are scanned.
    """
    is_seen = seen_in_lists(actor, "recording")
    rows = _after(_newest(actor).filter(is_seen), after)

    def among_newest(reach: int) -> list[SearchEntry]:
        newest = _newest(actor).filter(is_seen, pk__in=rows.values("pk")[:reach])
        return list(_matching(newest, terms)[:count])

    entries = among_newest(PROBE_SIZE)
    if COMMON_MATCHES <= len(entries) < count:
        entries = among_newest(2 * PROBE_SIZE * count // len(entries))
    if len(entries) < count:
        found = _indexed(actor.tenant.id, terms).filter(is_seen)
        entries = list(_after(found, after)[:count])
    return entries


def _newest(actor: Actor) -> QuerySet[SearchEntry]:
    rows = SearchEntry.objects.filter(tenant_id=actor.tenant.id).order_by(*NEWEST)
    return rows.only("recording", "tenant", "created_at", "transcription_id", "folded")


def _after(rows: QuerySet[SearchEntry], after: Cursor | None) -> QuerySet[SearchEntry]:
    if after is None:
        return rows
    later = Q(created_at__lt=after.created_at)
    return rows.filter(later | Q(created_at=after.created_at, recording_id__lt=after.recording_id))


def _indexed(tenant_id: UUID, terms: Sequence[Term], *, inside: bool = False) -> QuerySet[SearchEntry]:
    """Matches by the GIN index of tokens, each of which is prefixed with its tenant.

    Comparing the tenant by an expression keeps PostgreSQL from using the tenant's index instead.
    """
    with scope.across_tenants("the tenant is compared below, row by row"):
        rows = SearchEntry.objects.annotate(owner=Coalesce("tenant_id", "tenant_id")).filter(owner=tenant_id)
        shown = rows.only("recording", "tenant", "created_at", "transcription_id", "folded")
        return _matching(shown.order_by(*NEWEST), terms, query_of(tenant_id, terms, inside=inside))


def _matching(rows: QuerySet[SearchEntry], terms: Sequence[Term], tokens: str = "") -> QuerySet[SearchEntry]:
    """Filters by the tokens, or else by the text.

    Tokens contain the pairs of an unspaced run, but not their order, so longer runs are compared with the text too.
    """
    if tokens:
        rows = rows.filter(tokens__matches_tsquery=tokens)
    for term in _longer_runs(terms) if tokens else terms:
        rows = rows.filter(folded__contains=term.pattern)
    return rows


def _longer_runs(terms: Sequence[Term]) -> list[Term]:
    return [term for term in terms if term.is_unspaced and len(term.text) > 2]

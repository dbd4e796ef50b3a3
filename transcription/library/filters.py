"""Filters of a list of recordings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from tenants import scope
from tenants.access import Actor
from tenants.models import User
from transcription import search
from transcription.models import MAIN, SHOWN_AT, Favourite, Recording, Status, Tag, Tagging, Transcription
from transcription.models.tag import MOST_ON_ONE, folded_name

TO_CHECK, CHECKED = "to_check", "checked"
PEOPLE, PROGRAMS, EVERYBODY = "people", "programs", "all"
NO_FOLDER = "none"
MOST_COUNTED, MOST_FOUND = 500, 100
"""Up to which recordings of a list are counted, and those that a search finds, each of which is looked at.

Where it finds more, a page of them is looked for row by row, in the order shown.
"""
COMMON = 8
"""With so many matches among lookup.PROBE_SIZE recordings, trying them row by row is cheaper than the index."""

RARE, MOST_RARE = 2, 1000
"""With so few there, up to MOST_RARE are read from the index: row by row, thousands are tried to fill a page."""


@dataclass(frozen=True)
class Filter:
    """Conditions that all must hold. Empty ones are ignored; unknown values match nothing.

    `folder` is the id of one, or NO_FOLDER. `search` is a part of the name or of a tag's, or words of name and text
    (search/). `tag` has names of tags, with commas between them; `favourite`, whatever it is, asks for the actor's
    favourites, and `held` for what is on legal hold. `by` is who added them: PEOPLE, or PROGRAMS with a key; `key` is
    the id of that key, and `owner` the person's e-mail address. `status`, `model` and `language` apply to the latest
    transcription, and so does `checked`: TO_CHECK, where something of a text is left to be proofread, or CHECKED, where
    nothing is. `created_after` is inclusive, `created_before` exclusive.
    """

    search: str = ""
    folder: str = ""
    tag: str = ""
    favourite: str = ""
    held: str = ""
    status: str = ""
    by: str = ""
    key: str = ""
    owner: str = ""
    source: str = ""
    model: str = ""
    language: str = ""
    checked: str = ""
    created_after: datetime | None = None
    created_before: datetime | None = None

    def searched(self, rows: QuerySet[Recording], actor: Actor) -> tuple[QuerySet[Recording], list[UUID] | None, bool]:
        """Returns those rows of the tenant that match, what a search has found of them, and whether that is all.

        What isn't all are more than MOST_FOUND; it is None where the index was not asked.
        """
        rows, part = self._narrowed(rows, actor), self.search.replace("\x00", "")
        if not self.search or rows.query.is_empty():
            return rows, None, False
        tenant_id, terms = actor.tenant.id, search.terms_of(self.search)
        named, tagged = Q(name__icontains=part), Q(id__in=_tagged(folded__contains=part))
        if not terms or connection.vendor != "postgresql":
            return rows.filter(named | Q(id__in=search.matching_recordings(tenant_id, terms)) | tagged), None, False
        by_row = rows.filter(Q(search.is_matching(tenant_id, terms)) | named | tagged)
        probed = search.matches_among_some(rows, tenant_id, terms)
        if probed >= COMMON:
            return by_row, None, False
        most = MOST_RARE if probed <= RARE else MOST_FOUND
        ways = (
            rows.filter(id__in=search.matching_recordings(tenant_id, terms)),
            rows.filter(named, id__in=search.names_containing(tenant_id, terms)),
            rows.filter(named, search_entry__edition=0),
            rows.filter(tagged),
        )
        first, *others = (way.order_by().values_list("id", flat=True)[: most + 1] for way in ways)
        found = list(first.union(*others)[: most + 1])
        is_all = len(found) <= most
        return rows.filter(id__among=found) if is_all else by_row, found, is_all

    def _narrowed(self, rows: QuerySet[Recording], actor: Actor) -> QuerySet[Recording]:
        """Filters by all but the search."""
        tenant_id = actor.tenant.id
        values = (self.status, self.owner, self.source, self.model, self.language, self.tag)
        if any("\x00" in value for value in values):  # not a PostgreSQL string
            return rows.none()
        rows = self._added(rows)
        if self.folder == NO_FOLDER:
            rows = rows.filter(folder=None)
        elif self.folder:
            rows = rows.filter(folder=UUID(self.folder)) if _is_uuid(self.folder) else rows.none()
        tags = [name.strip() for name in self.tag.split(",") if name.strip()]
        if len(tags) > MOST_ON_ONE:
            return rows.none()
        for name in tags:
            rows = rows.filter(id__in=_tagged(folded=name))
        if self.favourite:
            own = Favourite.objects.filter(tenant=tenant_id, user=actor.user)
            rows = rows.filter(id__in=own.values("recording"))
        if self.held:
            rows = rows.exclude(held_at=None)
        if self.source:
            rows = rows.filter(source=self.source)
        if self.created_after is not None:
            rows = rows.filter(created_at__gte=self.created_after)
        if self.created_before is not None:
            rows = rows.filter(created_at__lt=self.created_before)
        if self._is_common:
            with scope.across_tenants("a recording's transcriptions are its tenant's"):
                rows = rows.filter(Exists(self._latest().filter(recording=OuterRef("id"))))
        elif self.status or self.model or self.language or self.checked:
            rows = rows.filter(id__in=self._latest().filter(tenant=tenant_id).values("recording_id"))
        return rows

    def _added(self, rows: QuerySet[Recording]) -> QuerySet[Recording]:
        """Filters by who added them."""
        if self.by:
            by_programs = Q(source=Recording.Source.API)
            rows = rows.filter({PEOPLE: ~by_programs, PROGRAMS: by_programs}.get(self.by, Q(pk__in=())))
        if self.key:
            rows = rows.filter(api_key=UUID(self.key)) if _is_uuid(self.key) else rows.none()
        if self.owner:
            rows = rows.filter(created_by__in=User.objects.filter(email=User.objects.normalize_email(self.owner)))
        return rows

    @property
    def _is_common(self) -> bool:
        """Whether most recordings match, so that testing the newest ones one by one fills a page.

        PostgreSQL chooses that plan only if the subquery has no tenant. Otherwise the subquery is evaluated first: an
        index finds a rare status, however many recordings there are.
        """
        return self.status == Status.COMPLETED and not (self.model or self.language or self.checked)

    def _latest(self) -> QuerySet[Transcription]:
        """Returns the matching transcriptions that are their recordings' latest."""
        shown = Coalesce(OuterRef("chosen_at"), OuterRef("created_at"))
        later = Q(shown__gt=shown) | Q(shown=shown, id__gt=OuterRef("id"))
        others = Transcription.objects.alias(shown=SHOWN_AT).filter(MAIN, later, recording=OuterRef("recording"))
        rows = Transcription.objects.filter(MAIN, ~Exists(others))
        if self.status:
            rows = rows.filter(status=self.status)
        if self.model:
            rows = rows.filter(model=self.model)
        if self.language:
            requested = Q(detected_language="", language=self.language)
            rows = rows.filter(Q(detected_language=self.language) | requested)
        if self.checked:
            rows = rows.filter(status=Status.COMPLETED, text_deleted_at=None).exclude(text="")
            done = Q(checked_share__gte=1.0)
            rows = rows.filter({CHECKED: done, TO_CHECK: ~done}.get(self.checked, Q(pk__in=())))
        return rows


def _tagged(**name: str) -> QuerySet[Tagging, UUID]:
    """Returns the recordings that have a tag of the bound tenant."""
    tags = Tag.objects.filter(**{lookup: folded_name(value) for lookup, value in name.items()})
    return Tagging.objects.filter(tag__in=tags).values_list("recording_id", flat=True)


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


EVERYTHING = Filter()

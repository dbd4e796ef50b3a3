"""Filters of a list of recordings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from tenants import scope
from transcription import search
from transcription.models import WHOLE, Recording, Status, Transcription

TO_CHECK, CHECKED = "to_check", "checked"


@dataclass(frozen=True)
class Filter:
    """Conditions that all must hold. Empty ones are ignored; unknown values match nothing.

    `search` is a part of the name, or words of name and text (search/). `status`, `model` and `language` apply to the
    latest transcription, and so does `checked`: TO_CHECK, where something of a text is left to be proofread, or
    CHECKED, where nothing is. `created_after` is inclusive, `created_before` exclusive.
    """

    search: str = ""
    status: str = ""
    source: str = ""
    model: str = ""
    language: str = ""
    checked: str = ""
    created_after: datetime | None = None
    created_before: datetime | None = None

    def applied(self, rows: QuerySet[Recording], tenant_id: UUID) -> QuerySet[Recording]:
        """Filters a queryset of the tenant's recordings."""
        if "\x00" in self.status + self.source + self.model + self.language + self.checked:  # not a PostgreSQL string
            return rows.none()
        if self.search:
            texts = search.matching_recordings(tenant_id, search.terms_of(self.search))
            rows = rows.filter(Q(name__icontains=self.search.replace("\x00", "")) | Q(id__in=texts))
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

    @property
    def _is_common(self) -> bool:
        """Whether most recordings match, so that testing the newest ones one by one fills a page.

        PostgreSQL chooses that plan only if the subquery has no tenant. Otherwise the subquery is evaluated first: an
        index finds a rare status, however many recordings there are.
        """
        return self.status == Status.COMPLETED and not (self.model or self.language or self.checked)

    def _latest(self) -> QuerySet[Transcription]:
        """Returns the matching transcriptions that are their recordings' latest."""
        later = Q(created_at__gt=OuterRef("created_at")) | Q(created_at=OuterRef("created_at"), id__gt=OuterRef("id"))
        rows = Transcription.objects.filter(
            WHOLE, ~Exists(Transcription.objects.filter(WHOLE, later, recording=OuterRef("recording")))
        )
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


EVERYTHING = Filter()

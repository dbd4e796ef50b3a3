"""Which of a tenant's recordings a list shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from tenants import scope
from transcription import search
from transcription.models import Recording, Status, Transcription


@dataclass(frozen=True)
class Filter:
    """All that it says holds of each recording; what is empty says nothing. What is unknown matches nothing.

    `search` is a part of the name, or words that name and text have (search/). `status`, `model` and `language` are
    those of the latest transcription. What was made at `created_after` counts, at `created_before` not.
    """

    search: str = ""
    status: str = ""
    source: str = ""
    model: str = ""
    language: str = ""
    created_after: datetime | None = None
    created_before: datetime | None = None

    def applied(self, rows: QuerySet[Recording], tenant_id: UUID) -> QuerySet[Recording]:
        """Those of the tenant's recordings `rows` of which it holds."""
        if "\x00" in self.status + self.source + self.model + self.language:  # PostgreSQL knows no such text
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
        elif self.status or self.model or self.language:
            rows = rows.filter(id__in=self._latest().filter(tenant=tenant_id).values("recording_id"))
        return rows

    @property
    def _is_common(self) -> bool:
        """Whether most recordings are so, and a page's worth is among the newest.

        Asked recording by recording, they are found there; PostgreSQL sees that only where no tenant is named again.
        Otherwise transcriptions are asked: a rare status is found by its index, however many recordings there are.
        """
        return self.status == Status.COMPLETED and not self.model and not self.language

    def _latest(self) -> QuerySet[Transcription]:
        """Transcriptions of which it holds and after which there is none."""
        later = Q(created_at__gt=OuterRef("created_at")) | Q(created_at=OuterRef("created_at"), id__gt=OuterRef("id"))
        rows = Transcription.objects.filter(
            ~Exists(Transcription.objects.filter(later, recording=OuterRef("recording")))
        )
        if self.status:
            rows = rows.filter(status=self.status)
        if self.model:
            rows = rows.filter(model=self.model)
        if self.language:
            asked = Q(detected_language="", language=self.language)
            rows = rows.filter(Q(detected_language=self.language) | asked)
        return rows


EVERYTHING = Filter()

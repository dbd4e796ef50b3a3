"""Figures of a tenant that should agree and don't: stored as a kind and numbers, formatted for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import models
from django.utils import translation
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tenants.models import AccountCheck, Tenant


class Kind(models.TextChoices):
    USED_SECONDS = "used_seconds", _("audio seconds used")
    RESERVED_SECONDS = "reserved_seconds", _("audio seconds held")
    HELD_FOR_ENDED = "held_for_ended", _("audio seconds held for transcription %(work)s, which is over")
    CHARGES = "charges", _("charges of transcription %(work)s (%(status)s)")
    STORED_BYTES = "stored_bytes", _("stored bytes")


@dataclass(frozen=True)
class Discrepancy:
    """Two figures of a tenant that should be equal. `month` is None if the figure belongs to no month."""

    tenant_id: UUID
    kind: Kind
    expected: int
    found: int
    month: date | None = None
    transcription: UUID | None = None
    status: str = ""

    def __str__(self) -> str:
        """Returns the discrepancy in English, for logs and e-mails."""
        with translation.override("en"):
            month = f" in {self.month:%Y-%m}" if self.month else ""
            return f"tenant {self.tenant_id}{month}: {self.words}"

    @property
    def words(self) -> str:
        """Says what disagrees and by how much, in the active language."""
        what = str(self.kind.label) % {"work": self.transcription, "status": self.status}
        return gettext("%(what)s: should be %(expected)s, is %(found)s") % {
            "what": what,
            "expected": number_format(self.expected, force_grouping=True),
            "found": number_format(self.found, force_grouping=True),
        }

    def as_row(self) -> dict[str, Any]:
        """Returns it for AccountCheck.discrepancies, as JSON."""
        return {
            "tenant": str(self.tenant_id),
            "kind": self.kind.value,
            "expected": self.expected,
            "found": self.found,
            "month": self.month.isoformat() if self.month else None,
            "transcription": str(self.transcription) if self.transcription else None,
            "status": self.status,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Discrepancy:
        return cls(
            tenant_id=UUID(row["tenant"]),
            kind=Kind(row["kind"]),
            expected=row["expected"],
            found=row["found"],
            month=date.fromisoformat(row["month"]) if row["month"] else None,
            transcription=UUID(row["transcription"]) if row["transcription"] else None,
            status=row["status"],
        )


def of_check(check: AccountCheck | None) -> list[tuple[str, Discrepancy]]:
    """Returns a check's discrepancies, each with the tenant's name, or its id if it was deleted. At most one query."""
    if check is None or not check.discrepancies:
        return []
    rows = [Discrepancy.from_row(row) for row in check.discrepancies]
    names = dict(Tenant.objects.filter(id__in={row.tenant_id for row in rows}).values_list("id", "name"))
    return [(names.get(row.tenant_id, str(row.tenant_id)), row) for row in rows]

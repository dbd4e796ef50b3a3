"""The orders of a list of recordings: each has an index."""

from __future__ import annotations

from django.db.models import QuerySet
from django.db.models.functions import Coalesce, Lower
from django.utils.translation import gettext_lazy as _

from transcription.models import Recording

NEWEST = "newest"
LABELS = {
    NEWEST: _("Newest first"),
    "oldest": _("Oldest first"),
    "changed": _("Last changed first"),
    "name": _("By name"),
    "longest": _("Longest first"),
    "shortest": _("Shortest first"),
}
FIELDS = {
    NEWEST: ("-created_at", "-id"),
    "oldest": ("created_at", "id"),
    "changed": ("-changed", "-id"),
    "name": ("small_name", "id"),
    "longest": ("-duration_seconds", "-id"),
    "shortest": ("duration_seconds", "id"),
}


def ordered(rows: QuerySet[Recording], order: str) -> QuerySet[Recording]:
    """Puts a tenant's recordings in an order; the newest come first in one that is not known."""
    if order == "name":
        rows = rows.annotate(small_name=Lower("name"))
    elif order == "changed":
        rows = rows.annotate(changed=Coalesce("changed_at", "created_at"))
    return rows.order_by(*FIELDS.get(order, FIELDS[NEWEST]))

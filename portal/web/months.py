"""The month that a page is asked for, as `?month=2026-11`."""

from __future__ import annotations

from datetime import date

from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _


def requested_month(request: HttpRequest) -> date | None:
    """Its first day; None where none is asked for. Raises Http404 where it is no month."""
    asked = request.GET.get("month", "")
    if not asked:
        return None
    try:
        return date.fromisoformat(f"{asked}-01")
    except ValueError:
        raise Http404(_("There is no such month.")) from None

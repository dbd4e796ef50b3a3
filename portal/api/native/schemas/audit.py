"""Who did what."""

from __future__ import annotations

from typing import Any, TypedDict


class AuditEntryBody(TypedDict):
    """Who did what, and when."""

    id: str
    created_at: str
    actor: dict[str, Any]
    address: str | None
    action: str
    object: dict[str, Any] | None
    details: dict[str, Any]

"""Counts what limits refused, for /metrics: all web processes of a host together.

A label that was given stays, so that counters only grow: in each process the first METRICS_TENANTS tenants that are
refused anything have one of their own, and what others are refused counts as `other`.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from prometheus_client import Counter

from tenants.models import Tenant

LIMITS = ("monthly_seconds", "recording_seconds", "upload_bytes", "stored_bytes", "requests_per_minute")
OTHER = "other"

refused = Counter("portal_quota_refusals", "Requests that a limit of their tenant refused.", ["tenant", "limit"])
_labelled: dict[UUID, str] = {}


def count(tenant: Tenant, limit: str) -> None:
    if tenant.id not in _labelled and len(_labelled) < settings.METRICS_TENANTS:
        _labelled[tenant.id] = label_of(tenant.id, tenant.name)
        begin(_labelled[tenant.id])
    refused.labels(_labelled.get(tenant.id, OTHER), limit).inc()


def begin(label: str = OTHER) -> None:
    """Begins at 0, so that the first refusal is seen as one."""
    for limit in LIMITS:
        refused.labels(label, limit)


def label_of(tenant_id: UUID, name: str) -> str:
    """Returns what /metrics calls a tenant: its id, with its name only where METRICS_TENANT_NAMES says so."""
    return f"{name} ({str(tenant_id)[:8]})" if settings.METRICS_TENANT_NAMES else str(tenant_id)

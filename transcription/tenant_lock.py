"""Locks a tenant: whoever changes its work, its files or its webhooks does so before taking any other lock.

The lock is the tenant's row of the fair order, and lasts until the end of the transaction.
"""

from __future__ import annotations

from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from tenants.models import Tenant
from transcription.errors import Refused
from transcription.models import Lane, LaneBacklog, TenantSchedule


def lock(tenant_id: UUID) -> TenantSchedule:
    """Locks the tenant and returns its schedule, with its quota at hand."""
    locked = TenantSchedule.objects.select_for_update(of=("self",)).select_related("tenant__quota")
    schedules = locked.filter(tenant_id=tenant_id)
    found = schedules.first()
    if found is None:
        TenantSchedule.objects.bulk_create([TenantSchedule(tenant_id=tenant_id)], ignore_conflicts=True)
        backlogs = [LaneBacklog(tenant_id=tenant_id, lane=lane) for lane in Lane.values]
        LaneBacklog.objects.bulk_create(backlogs, ignore_conflicts=True)
        found = schedules.get()
    return found


def try_lock(tenant_id: UUID) -> TenantSchedule | None:
    """Locks without waiting. Returns None while somebody else holds the lock."""
    skip_locked = connection.features.has_select_for_update
    schedules = TenantSchedule.objects.select_for_update(of=("self",), skip_locked=skip_locked)
    return schedules.select_related("tenant__quota").filter(tenant_id=tenant_id).first()


def lock_for_adding(tenant_id: UUID) -> TenantSchedule:
    """Locks a tenant to which something is added. Raises Refused for one that is being deleted."""
    schedule = lock(tenant_id)
    # Read again: the tenant that came with the schedule may be older than the lock.
    if not Tenant.objects.filter(id=tenant_id, deleting_at=None).exists():
        raise Refused("tenant_deleted", _("This organisation is being deleted: nothing is added to it any more."))
    return schedule

"""Locks a tenant's row: whoever changes its people, its keys, or how people come in, does so first.

What a tenant has (its work, files, webhooks) is another lock, `transcription.tenant_lock`: whoever takes both takes
that one first.
"""

from __future__ import annotations

from uuid import UUID

from tenants.models import Tenant


def lock(tenant_id: UUID) -> Tenant:
    """Locks the tenant until the end of the transaction, and returns it.

    Rows that refer to the tenant can be inserted meanwhile: they need its key only, which is not locked.
    """
    return Tenant.objects.select_for_update(no_key=True).get(id=tenant_id)

"""Suspends tenants at the moment that operators set and owners were told of."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from tenants import account_mails, audit
from tenants.access import Actor, system_actor
from tenants.models import Role, Tenant, User


def tell_owners(actor: Actor) -> None:
    """Mails the owners when their tenant will be suspended, or that it won't."""
    tenant = actor.tenant
    for user in User.objects.filter(memberships__tenant=tenant, memberships__role=Role.OWNER).order_by("pk"):
        account_mails.tell(
            user,
            "suspension",
            "web:home",
            tenant=tenant,
            suspended_from=tenant.suspended_from,
            changes=tenant.changes_until_suspended,
        )


def suspend_due() -> int:
    """Switches off the tenants whose time has come, and returns how many."""
    due = Tenant.objects.filter(suspended_from__lte=timezone.now(), is_active=True).order_by("pk")
    return sum(_suspend(tenant) for tenant in due)


def _suspend(tenant: Tenant) -> bool:
    with transaction.atomic():
        still = Tenant.objects.filter(pk=tenant.pk, is_active=True, suspended_from=tenant.suspended_from)
        if not still.update(is_active=False, suspended_from=None):
            return False
        audit.record(system_actor(tenant), "tenant.suspended", tenant)
    return True

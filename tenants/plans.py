"""Hands the limits of plans on to quotas. What a tenant has of its own stays, whatever its plan says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db import transaction

from tenants import audit
from tenants.access import Actor
from tenants.models import Plan, Quota, Tenant
from tenants.models.quota import LIMITS

ActorIn = Callable[[Tenant], Actor]


def differences(plan: Plan, quota: Quota) -> dict[str, Any]:
    """Returns the limits that a quota would take over from a plan, and their values there."""
    wanted = {name: getattr(plan, name) for name in LIMITS if name not in quota.overrides}
    return {name: value for name, value in wanted.items() if getattr(quota, name) != value}


def hand_on(plan: Plan, actor_in: ActorIn) -> int:
    """Gives the plan's limits to all its tenants, each with an audit entry, and returns how many have changed.

    Call after the plan was saved, in the same transaction.
    """
    rows = Quota.objects.select_for_update(of=("self",)).filter(plan=plan).select_related("tenant").order_by("pk")
    return sum(_give(plan, quota, actor_in(quota.tenant)) for quota in rows)


def assign(plan: Plan, tenants: Iterable[Tenant], actor_in: ActorIn) -> int:
    """Puts tenants on a plan, and returns how many were not on it before."""
    with transaction.atomic():
        plan = Plan.objects.select_for_update().get(pk=plan.pk)
        rows = Quota.objects.select_for_update(of=("self",)).filter(tenant__in=[tenant.pk for tenant in tenants])
        rows = rows.exclude(plan=plan).select_related("tenant").order_by("pk")
        return sum(_give(plan, quota, actor_in(quota.tenant)) for quota in rows)


def fit(quota: Quota, changed: set[str]) -> None:
    """Makes a quota that a form has changed agree with its plan.

    What the form changed, or was the tenant's own before, is its own where it is not the plan's; the rest is the
    plan's. Taken off its plan, a tenant keeps the limits that the form has, and nothing is marked as its own: without a
    plan all are.
    """
    plan = quota.plan
    if plan is None:
        quota.overrides = []
        return
    own = {*quota.overrides, *changed} & {name for name in LIMITS if getattr(quota, name) != getattr(plan, name)}
    for name in set(LIMITS) - own:
        setattr(quota, name, getattr(plan, name))
    quota.overrides = sorted(own)


def _give(plan: Plan, quota: Quota, actor: Actor) -> bool:
    changes = differences(plan, quota)
    if quota.plan_id == plan.pk and not changes:
        return False
    Quota.objects.filter(pk=quota.pk).update(plan=plan, **changes)
    audit.record(actor, "quota.changed", plan=plan.name, **changes)
    return True

"""Access to a tenant's rules: functions take an actor who may manage them; others' rules raise Http404."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from tenants.shortcuts import first_or_404
from transcription import tenant_lock
from transcription.errors import InvalidOption, Refused
from transcription.folders.visibility import seen
from transcription.models import Recording
from transcription.rules import conditions, effects
from transcription.rules.conditions import Arrival
from transcription.rules.models import LONGEST_RULE_NAME, Rule
from transcription.scripts import one_line, without_turns

PERMISSION = "rules.manage"
MOST_RULES = 100
LOOKED_AT = 100


def visible(actor: Actor) -> list[Rule]:
    """Returns the tenant's rules in their order, at most MOST_RULES."""
    actor.require(PERMISSION)
    return list(Rule.objects.filter(tenant=actor.tenant))


def get(actor: Actor, rule_id: UUID) -> Rule:
    """Raises Http404."""
    actor.require(PERMISSION)
    return first_or_404(Rule.objects.filter(tenant=actor.tenant, id=rule_id), _("There is no such rule."))


def create(actor: Actor, name: str, asked: Mapping[str, Any], given: Mapping[str, Any], *, active: bool = True) -> Rule:
    """Makes a rule, the last one. Raises InvalidOption and Refused."""
    actor.require(PERMISSION)
    row = Rule(tenant=actor.tenant, name=_checked_name(name), is_active=active)
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        row.conditions, row.effects = conditions.checked(actor, asked), effects.checked(actor, given)
        known = visible(actor)
        if len(known) >= MOST_RULES:
            raise Refused("too_many_rules", _("There are %(n)d rules, which is the most.") % {"n": MOST_RULES})
        row.position = known[-1].position + 1 if known else 1
        row.save(force_insert=True)
        audit.record(actor, "rule.created", row, name=row.name)
    return row


def change(
    actor: Actor,
    rule_id: UUID,
    name: str | None = None,
    asked: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
    active: bool | None = None,
    position: int | None = None,
) -> Rule:
    """Changes what is given; `position` counts from 1. Raises Http404, InvalidOption and Refused."""
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        row = get(actor, rule_id)
        before = {field: getattr(row, field) for field in ("name", "conditions", "effects", "is_active")}
        row.name = row.name if name is None else _checked_name(name)
        row.conditions = row.conditions if asked is None else conditions.checked(actor, asked)
        row.effects = row.effects if given is None else effects.checked(actor, given)
        row.is_active = row.is_active if active is None else active
        changed = [field for field, value in before.items() if getattr(row, field) != value]
        if changed:
            row.changed_at = timezone.now()
            row.save(update_fields=[*changed, "changed_at"])
        if position is not None and _place(actor, row, position):
            changed.append("position")
        if changed:
            audit.record(actor, "rule.changed", row, name=row.name, fields=changed)
    return get(actor, rule_id)


def _place(actor: Actor, row: Rule, position: int) -> bool:
    """Numbers the rules from 1 on, with this one at its place. Returns whether it moved."""
    known = visible(actor)
    others = [one for one in known if one != row]
    wanted = [*others[: max(0, position - 1)], row, *others[max(0, position - 1) :]]
    for number, one in enumerate(wanted, start=1):
        Rule.objects.filter(id=one.id).exclude(position=number).update(position=number)
    return wanted != known


def delete(actor: Actor, rule_id: UUID) -> None:
    """Deletes a rule; what it gave stays. Raises Http404."""
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = get(actor, rule_id)
        audit.record(actor, "rule.deleted", row, name=row.name)
        row.delete()


def preview(actor: Actor, asked: Mapping[str, Any]) -> list[Recording]:
    """Returns those of the last LOOKED_AT recordings for which conditions would hold. Raises InvalidOption."""
    actor.require(PERMISSION)
    wanted = conditions.checked(actor, asked)
    rows = Recording.objects.filter(seen(actor), tenant=actor.tenant, deleted_at=None)
    newest = rows.order_by("-created_at", "-id")[:LOOKED_AT]
    return [row for row in newest if conditions.hold(wanted, Arrival.of(row))]


def _checked_name(sent: str) -> str:
    """Raises InvalidOption."""
    name = one_line(without_turns(sent))
    if not 0 < len(name) <= LONGEST_RULE_NAME:
        raise InvalidOption("name", _("A rule’s name has from 1 to %(n)d characters.") % {"n": LONGEST_RULE_NAME})
    return name

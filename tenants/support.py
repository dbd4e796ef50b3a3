"""Operators act for a member, to help them: with a reason, for a while, and told to the tenant.

The operator stays who is signed in, so that what is the member's own (password, second factors, sessions) is out of
reach; a row says whom the session acts for, and access.session_actor makes the actor of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit, scope, second_factors
from tenants.access import SUPPORT, support_actor, visit_of
from tenants.models import Member, SupportVisit, User

MAY_ACT = "tenants.add_supportvisit"


class NoSecondFactor(PermissionDenied):
    """The operator has no second factor."""


def begin(operator: User, session: Any, member: Member, reason: str, address: str) -> SupportVisit:
    """Lets a session of an operator act for a member. Raises PermissionDenied, and NoSecondFactor."""
    _check(operator, member)
    end(operator, session, address)
    with transaction.atomic(), scope.bound(member.tenant_id):
        visit = SupportVisit.objects.create(
            tenant=member.tenant,
            member=member,
            member_email=member.user.email,
            operator=operator,
            operator_email=operator.email,
            reason=reason,
            until=timezone.now() + timedelta(minutes=settings.SUPPORT_MINUTES),
        )
        actor = support_actor(visit, address)
        audit.record(actor, "support.began", member, reason=reason, until=visit.until.isoformat(timespec="seconds"))
    session[SUPPORT] = str(visit.pk)
    return visit


def end(operator: User, session: Any, address: str) -> bool:
    """Ends the visit of a session; returns False where there is none."""
    visit = visit_of(operator.pk, session)
    session.pop(SUPPORT, None)
    return visit is not None and _end(visit, address)


def end_due() -> int:
    """Ends visits whose time is over, or whose tenant does not want them any more; returns how many."""
    over = Q(until__lte=timezone.now()) | Q(tenant__bars_support=True) | Q(tenant__is_active=False) | Q(operator=None)
    with scope.across_tenants("operators visit any tenant"):
        rows = SupportVisit.objects.filter(over, ended_at=None)
        due = list(rows.select_related("tenant", "member__tenant", "member__user", "operator"))
    return sum(_end(visit, "") for visit in due)


def end_all(visits: QuerySet[SupportVisit], address: str) -> int:
    """Ends visits from outside, as another operator does."""
    due = visits.filter(ended_at=None).select_related("tenant", "member__tenant", "member__user", "operator")
    return sum(_end(visit, address) for visit in due)


def going_on(user: object, session: Mapping[str, Any]) -> SupportVisit | None:
    """Returns the visit that the session of a request goes on with."""
    return visit_of(user.pk, session) if isinstance(user, User) else None


def _end(visit: SupportVisit, address: str) -> bool:
    with transaction.atomic(), scope.bound(visit.tenant_id):
        if not SupportVisit.objects.filter(pk=visit.pk, ended_at=None).update(ended_at=timezone.now()):
            return False
        actor = support_actor(visit, address)
        audit.record(actor, "support.ended", visit.member, reason=visit.reason, by_itself=not address)
    return True


def _check(operator: User, member: Member) -> None:
    """Raises PermissionDenied, and NoSecondFactor."""
    if not operator.has_perm(MAY_ACT):
        raise PermissionDenied(_("You may not act for members."))
    if not second_factors.has_one(operator.pk):
        raise NoSecondFactor(_("Set up two-factor authentication first: nobody acts for a member without it."))
    if member.user.is_staff or member.user.is_superuser:
        raise PermissionDenied(_("%(person)s is an operator. Nobody acts for operators.") % {"person": member.user})
    if member.tenant.bars_support:
        raise PermissionDenied(_("%(tenant)s does not let support in.") % {"tenant": member.tenant})
    if not member.user.is_active or not member.tenant.is_active:
        raise PermissionDenied(_("The member or the organisation is switched off."))

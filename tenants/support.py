"""Operators act for a member, to help them: with a reason, for a while, and told to the tenant.

The operator stays who is signed in, so that what is the member's own (password, second factors, sessions) is out of
reach; a row says whom the session acts for, and session_access.session_actor makes the actor of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import account_mails, audit, scope, second_factors
from tenants.access import Actor, operator_actor, support_actor, system_actor
from tenants.models import Member, Role, SupportVisit, User
from tenants.session_access import MAY_ACT, SUPPORT, may_go_on, visit_of, with_its_people


class NoSecondFactor(PermissionDenied):
    """The operator has no second factor."""


def begin(operator: User, session: Any, member: Member, reason: str, address: str) -> SupportVisit:
    """Lets a session of an operator act for a member, and mails the owners. Raises PermissionDenied, NoSecondFactor.

    The session gets a new key, so that a stolen one of before doesn't visit anybody.
    """
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
        _tell_owners(visit)
    session.cycle_key()
    session[SUPPORT] = str(visit.pk)
    return visit


def end(operator: User, session: Any, address: str) -> bool:
    """Ends the visit of a session; returns False where there is none."""
    visit = visit_of(operator.pk, session)
    if session.pop(SUPPORT, None) is not None:
        session.cycle_key()
    return visit is not None and _end(visit, support_actor(visit, address))


def end_due() -> int:
    """Ends visits that may not go on, as their time is over or somebody's right to it; returns how many."""
    with scope.across_tenants("operators visit any tenant"):
        due = [visit for visit in with_its_people(SupportVisit.objects.filter(ended_at=None)) if not may_go_on(visit)]
    return sum(_end(visit, system_actor(visit.tenant)) for visit in due)


def end_all(visits: QuerySet[SupportVisit], operator: User, address: str) -> list[SupportVisit]:
    """Ends visits from outside, as another operator does; returns those that went on."""
    due = with_its_people(visits.filter(ended_at=None))
    return [visit for visit in due if _end(visit, operator_actor(operator, visit.tenant, address))]


def forget_old() -> int:
    """Deletes visits that ended before AUDIT_RETENTION_DAYS, and returns their number. 0 days keep everything."""
    if settings.AUDIT_RETENTION_DAYS <= 0:
        return 0
    before = timezone.now() - timedelta(days=settings.AUDIT_RETENTION_DAYS)
    with scope.across_tenants("retention is the installation's"):
        return SupportVisit.objects.filter(ended_at__lt=before).delete()[0]


def going_on(user: object, session: Mapping[str, Any]) -> SupportVisit | None:
    """Returns the visit that the session of a request goes on with."""
    return visit_of(user.pk, session) if isinstance(user, User) else None


def _end(visit: SupportVisit, actor: Actor) -> bool:
    """Ends a visit by whoever ended it, the operator, another one, or the portal itself."""
    with transaction.atomic(), scope.bound(visit.tenant_id):
        if not SupportVisit.objects.filter(pk=visit.pk, ended_at=None).update(ended_at=timezone.now()):
            return False
        whose = {"operator": visit.operator_email, "member": visit.member_email}
        audit.record(actor, "support.ended", visit.member, reason=visit.reason, **whose)
    return True


def _tell_owners(visit: SupportVisit) -> None:
    for user in User.objects.filter(memberships__tenant=visit.tenant_id, memberships__role=Role.OWNER).order_by("pk"):
        account_mails.tell(user, "support", "web:preferences", visit=visit, tenant=visit.tenant)


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
    if Member.objects.filter(tenant=member.tenant_id, user=operator).exists():
        message = _("You are a member of %(tenant)s yourself. Somebody else has to help there.")
        raise PermissionDenied(message % {"tenant": member.tenant})

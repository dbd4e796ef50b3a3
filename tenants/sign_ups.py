"""Sign-up by an allowed domain: whoever gets mail at an address of it invites themselves to the tenant.

The invitation is mailed as any other is, so that its link proves the address; it is never told whether there is one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.utils import timezone

from tenants import invitations, scope
from tenants.access import Actor, system_actor
from tenants.invitations import InvalidInvitation, Invitee
from tenants.members import MemberConflict
from tenants.models import AllowedDomain, Invitation, Role, User
from tenants.throttle import Limit

OF_A_TENANT = Limit("sign-ups of an organisation", 100, 86_400)


def is_open() -> bool:
    """Returns whether any tenant lets people in by themselves."""
    with scope.across_tenants("the page says whether there is any"):
        return _allowed().exists()


def sign_up(email: str) -> None:
    """Mails a link to an address of an allowed domain; does nothing for any other, and for members."""
    email = User.objects.normalize_email(email)
    with scope.across_tenants("the address says which tenant"):
        allowed = _allowed().filter(domain=email.rpartition("@")[2]).select_related("tenant").first()
    if allowed is None or not OF_A_TENANT.take(str(allowed.tenant_id)):
        return
    actor = system_actor(allowed.tenant)
    with scope.bound(allowed.tenant_id), suppress(MemberConflict, InvalidInvitation, PermissionDenied):
        if not _mailed_again(actor, email):
            invites = replace(actor, permissions=frozenset({"people.manage"}))
            invitations.invite(invites, [Invitee(email, Role(allowed.role))])


def _allowed() -> QuerySet[AllowedDomain]:
    """Returns the domains by which people join, not those whose people have to come by their provider."""
    rows = AllowedDomain.objects.filter(by_mail=True, tenant__is_active=True)
    rows = rows.filter(Q(tenant__suspended_from=None) | Q(tenant__changes_until_suspended=True))
    return rows.exclude(tenant__identity_provider__is_required=True) if settings.SINGLE_SIGN_ON else rows


def _mailed_again(actor: Actor, email: str) -> bool:
    """Mails an open invitation once more, with its own role and link, which a stranger's sign-up must not change."""
    rows = Invitation.objects.filter(tenant=actor.tenant, email=email, accepted_at=None, revoked_at=None)
    rows = rows.filter(expires_at__gt=timezone.now())
    if not rows.exists():
        return False
    if invitations.SENT_AGAIN.take(str(actor.tenant.id), email) and invitations.SENT.take(str(actor.tenant.id)):
        rows.update(mailed_at=None, mail_attempts=0, mail_after=timezone.now())
    return True

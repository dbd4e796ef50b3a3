"""Who becomes a member without an invitation, because the tenant's provider or directory says so.

Either speaks for addresses of the tenant's domains alone, which an operator entered, and is hostile to other tenants.
"""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.utils.translation import gettext as _

from tenants import account_mails, audit, people, scope, user_sessions
from tenants.access import Actor
from tenants.models import AllowedDomain, Member, Tenant, User


class NewcomerRefused(Exception):
    """The provider's or directory's word is not enough. The message tells people what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def domains_of(tenant: Tenant) -> list[str]:
    """Returns the domains for whose addresses the tenant's provider and directory speak."""
    with scope.bound(tenant.id):
        return list(AllowedDomain.objects.filter(tenant=tenant, by_provider=True).values_list("domain", flat=True))


def check_address(tenant: Tenant, email: str) -> None:
    """Raises NewcomerRefused for an address that is none of the tenant's domains."""
    if email.rpartition("@")[2] not in domains_of(tenant):
        message = _("The provider of %(tenant)s does not speak for the address %(email)s.")
        raise NewcomerRefused("other_domain", message % {"tenant": tenant, "email": email})


def check_account(tenant: Tenant, user: User) -> None:
    """Raises NewcomerRefused for an account that no tenant's word opens, or no longer this one's."""
    if not user.is_active:
        raise NewcomerRefused("inactive", _("This account is switched off."))
    if user.is_staff or user.is_superuser:
        raise NewcomerRefused("operator", _("Operators sign in with their password or a passkey."))
    check_address(tenant, user.email)


def account_of(tenant: Tenant, email: str, first_name: str, last_name: str) -> tuple[User, tuple[str, ...]]:
    """Returns the account of somebody who is no member of the tenant yet, made now if there is none, and what it lost.

    An account that was there already is somebody's who never showed this tenant that the address is theirs: with
    memberships elsewhere it comes by an invitation, without any its password, factors and sessions end. Raises
    NewcomerRefused.
    """
    user = User.objects.filter(email=email).first()
    if user is None:
        return User.objects.create_user(email, None, first_name=first_name, last_name=last_name), ()
    if people.all_memberships(user.pk):
        message = _("%(email)s has an account in another organisation. Ask for an invitation, and accept it first.")
        raise NewcomerRefused("other_tenant", message % {"email": email})
    user.set_unusable_password()
    user.save(update_fields=["password"])
    had_factors = bool(Authenticator.objects.filter(user=user).delete()[0])
    user_sessions.end(user)
    account_mails.tell(user, "account_taken", "account_reset_password", tenant=tenant)
    return user, ("password_changed", "factors_reset") if had_factors else ("password_changed",)


def record_ended(actor: Actor, member: Member, ended: tuple[str, ...]) -> None:
    """Audits, once there is a member, what an account that was there already has lost."""
    for what in ended:
        audit.record(actor, f"member.{what}", member, email=member.user.email, how="provider")

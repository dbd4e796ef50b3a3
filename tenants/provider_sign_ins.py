"""Whom a tenant's OpenID provider has signed in: the member of its tenant, who may come with this sign-in.

The provider is the tenant's own, and hostile to all others. It knows people by issuer and subject; an address counts
once, when the two are tied together, and only one of the tenant's domains, which an operator entered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zlib import crc32

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import audit, identity_providers, invitations, members, newcomers, scope
from tenants.access import member_actor, stranger_actor, system_actor
from tenants.models import Identity, IdentityProvider, Invitation, Member, Role, Tenant, User
from tenants.newcomers import NewcomerRefused
from tenants.throttle import Limit

NEWCOMERS = Limit("people who came to an organisation by its provider", 500, 86_400)
REFUSALS_WITHIN = timedelta(hours=1)
MAX_REFUSALS = 20
MOST_VALUES = 500
RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True)
class Person:
    """What a provider has signed of somebody. `is_verified` is None where it says nothing of the address."""

    subject: str
    email: str
    is_verified: bool | None
    first_name: str
    last_name: str
    values: frozenset[str]

    @classmethod
    def of_claims(cls, claims: Mapping[str, Any], role_claim: str) -> Person:
        """Reads verified claims; `values` are those of the claim with the role."""
        said = claims.get("email_verified")
        found = claims.get(role_claim) if role_claim else None
        values = found if isinstance(found, list) else [found]
        return cls(
            subject=claims["sub"],
            email=User.objects.normalize_email(_text(claims.get("email"), 254)),
            is_verified=None if said is None else said is True or said == "true",
            first_name=_text(claims.get("given_name"), 150),
            last_name=_text(claims.get("family_name"), 150),
            values=frozenset(value for value in values[:MOST_VALUES] if isinstance(value, str)),
        )


def member_of(provider: IdentityProvider, person: Person, address: str) -> Member:
    """Returns the member of the provider's tenant, made one or tied to the provider now. Raises NewcomerRefused."""
    with transaction.atomic(), scope.bound(provider.tenant_id):
        Tenant.objects.select_for_update(of=("self",)).get(id=provider.tenant_id)
        now = identity_providers.enabled(provider.tenant_id)
        if now is None or now.issuer != provider.issuer:
            raise NewcomerRefused("changed", _("Sign-in by this provider has changed. Begin again."))
        known = Identity.objects.filter(tenant=now.tenant, issuer=now.issuer, subject=person.subject)
        identity = known.select_related("member__user", "member__tenant").first()
        member = identity.member if identity else _tied(now, person, address)
        newcomers.check_account(now.tenant, member.user)
        _give_role(now, member, person)
    return member


def record_refusal(provider: IdentityProvider, address: str, code: str) -> None:
    """Records a refused sign-in for the tenant's owners, a bounded number an hour."""
    with scope.bound(provider.tenant_id):
        stranger, slot = stranger_actor(provider.tenant, address), crc32(f"{address} {code}".encode()) % MAX_REFUSALS
        audit.record_once(stranger, "provider.refused", provider, REFUSALS_WITHIN, slot, why=code)


def _tied(provider: IdentityProvider, person: Person, address: str) -> Member:
    """Returns the member whose address the provider names for the first time. Raises NewcomerRefused."""
    email = _believed_address(provider, person)
    user = User.objects.filter(email=email).first()
    member = Member.objects.filter(tenant=provider.tenant, user=user).select_related("user", "tenant").first()
    if user is not None:
        newcomers.check_account(provider.tenant, user)
    if member is None:
        member = _joined(provider, person, email, address)
    if Identity.objects.filter(member=member, issuer=provider.issuer).exists():
        message = _("%(email)s belongs to somebody else at the provider. Ask an owner to remove that member first.")
        raise NewcomerRefused("other_subject", message % {"email": email})
    Identity.objects.create(tenant=provider.tenant, member=member, issuer=provider.issuer, subject=person.subject)
    audit.record(member_actor(member, address), "member.provider_tied", member, issuer=provider.issuer, email=email)
    return member


def _believed_address(provider: IdentityProvider, person: Person) -> str:
    """Returns the address if the provider may speak for it. Raises NewcomerRefused."""
    try:
        validate_email(person.email)
    except ValidationError:
        raise NewcomerRefused("no_address", _("The provider names no e-mail address.")) from None
    if person.is_verified is False or (person.is_verified is None and not provider.trusts_addresses):
        raise NewcomerRefused("not_verified", _("The provider does not say that your e-mail address is verified."))
    newcomers.check_address(provider.tenant, person.email)
    return person.email


def _joined(provider: IdentityProvider, person: Person, email: str, address: str) -> Member:
    """Makes a newcomer a member, by their invitation if there is one. Raises NewcomerRefused."""
    rows = Invitation.objects.filter(tenant=provider.tenant, email=email, accepted_at=None, revoked_at=None)
    invitation = rows.filter(expires_at__gt=timezone.now()).select_related("tenant").first()
    if invitation is None and not provider.makes_members:
        raise NewcomerRefused("not_a_member", _("You are not a member of %(tenant)s.") % {"tenant": provider.tenant})
    if not NEWCOMERS.take(str(provider.tenant_id)):
        raise NewcomerRefused("too_many", _("Too many people joined today. Try again tomorrow."))
    user = newcomers.account_of(provider.tenant, email, person.first_name, person.last_name)
    if invitation is not None:
        return invitations.accept(invitation, user, address)
    member = Member.objects.create(tenant=provider.tenant, user=user, role=provider.default_role)
    audit.record(member_actor(member, address), "member.added", member, email=email, role=member.role, how="provider")
    return member


def _give_role(provider: IdentityProvider, member: Member, person: Person) -> None:
    """Gives the role that the claim says: the highest of several, that of newcomers without any; never an owner's."""
    if not provider.role_claim or member.role == Role.OWNER:
        return
    named = [Role(provider.roles[value]) for value in person.values if value in provider.roles]
    role = min(named, key=RANK.__getitem__) if named else Role(provider.default_role)
    members.give_role(system_actor(provider.tenant), member, role)


def _text(value: object, longest: int) -> str:
    return " ".join(value.replace("\x00", "").split())[:longest] if isinstance(value, str) else ""

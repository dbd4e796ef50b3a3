"""Whom a tenant's OpenID or SAML provider has signed in: the member of its tenant, who may come with this sign-in.

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
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import announcements, audit, identity_providers, invitations, members, newcomers, people_lock, scope
from tenants.access import member_actor, stranger_actor, system_actor
from tenants.announcements import ReadingOnly
from tenants.models import AuditEntry, Identity, IdentityProvider, Invitation, Member, Role, Tenant, User
from tenants.newcomers import NewcomerRefused
from tenants.throttle import Limit

NEWCOMERS = Limit("people who came to an organisation by its provider", 500, 86_400)
REFUSALS_WITHIN = timedelta(hours=1)
MAX_REFUSALS = 10
LONGEST_REASON = 400
MOST_VALUES = 500
GOOGLE = "https://accounts.google.com"
"""It signs for everybody with any address, and names in `hd` whose account it is."""

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
    claims: Mapping[str, Any]
    is_named_by_address: bool = False

    @classmethod
    def of_claims(cls, claims: Mapping[str, Any], role_claim: str) -> Person:
        """Reads verified claims; `values` are those of the claim with the role."""
        said = claims.get("email_verified")
        found = claims.get(role_claim) if role_claim else None
        values = _several(found)
        return cls(
            subject=claims["sub"],
            email=User.objects.normalize_email(_text(claims.get("email"), 254)),
            is_verified=None if said is None else said is True or said == "true",
            first_name=_text(claims.get("given_name"), 150),
            last_name=_text(claims.get("family_name"), 150),
            values=frozenset(value for value in values[:MOST_VALUES] if isinstance(value, str)),
            claims=claims,
            is_named_by_address=claims.get("sub_is_address") is True,
        )


def identity_of(provider: IdentityProvider, person: Person, address: str) -> Identity:
    """Returns the tie to a member of the provider's tenant, either made now if need be. Raises NewcomerRefused."""
    try:
        return _identity_of(provider, person, address)
    except IntegrityError as error:  # the same account was made meanwhile, elsewhere
        raise NewcomerRefused("changed", _("Your account has just changed. Begin again.")) from error


def _identity_of(provider: IdentityProvider, person: Person, address: str) -> Identity:
    """Raises NewcomerRefused, and IntegrityError."""
    with transaction.atomic(), scope.bound(provider.tenant_id):
        people_lock.lock(provider.tenant_id)
        now = identity_providers.enabled(provider.tenant_id)
        if now is None or now.generation != provider.generation:
            raise NewcomerRefused("changed", _("Sign-in by this provider has changed. Begin again."))
        _check_customer(now, person)
        ties = Identity.objects.filter(provider=now, issuer=now.issuer, subject=person.subject)
        known = ties.select_related("member__user", "member__tenant").first()
        _check_name(now, person, known)
        identity = known or _tied(now, person, address)
        newcomers.check_account(now.tenant, identity.member.user)
        _give_role(now, identity.member, person)
    return identity


def record_refusal(
    provider: IdentityProvider, address: str, code: str, said: str, person: Person | None = None
) -> None:
    """Records a refused sign-in for the tenant's owners, for each reason a bounded number an hour."""
    details = {"why": code, "said": said[:LONGEST_REASON]}
    if person is not None:
        details |= {"email": person.email, "subject": person.subject}
    who = crc32(f"{address} {details.get('subject')}".encode()) % MAX_REFUSALS
    with scope.bound(provider.tenant_id):
        slot = crc32(f"{code} {who}".encode())
        audit.record_once(
            stranger_actor(provider.tenant, address), "provider.refused", provider, REFUSALS_WITHIN, slot, **details
        )


def _check_customer(provider: IdentityProvider, person: Person) -> None:
    """Raises NewcomerRefused for an account there that is not the organisation's: another customer's, or private."""
    named, _equals, value = (part.strip() for part in provider.required_claim.partition("="))
    is_theirs = not named or value in map(_spelled, _several(person.claims.get(named)))
    if provider.issuer == GOOGLE:
        is_theirs = is_theirs and person.claims.get("hd") in newcomers.domains_of(provider.tenant)
    if not is_theirs:
        message = _("Your account at the provider is none of %(tenant)s. Choose another one there.")
        raise NewcomerRefused("other_customer", message % {"tenant": provider.tenant})


def _check_name(provider: IdentityProvider, person: Person, known: Identity | None) -> None:
    """Raises NewcomerRefused where SAML names somebody by an address that may be another's, as it can be changed."""
    name = User.objects.normalize_email(person.subject)
    is_address = person.is_named_by_address or name in (person.email, known.member.user.email if known else None)
    is_believed = provider.trusts_addresses or (person.is_verified is True and name == person.email)
    if provider.is_saml and is_address and (person.is_verified is False or not is_believed):
        raise NewcomerRefused("not_verified", _("The provider does not say that your e-mail address is verified."))


def _tied(provider: IdentityProvider, person: Person, address: str) -> Identity:
    """Ties the member to the provider whose address it names for the first time. Raises NewcomerRefused."""
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
    identity = Identity.objects.create(
        tenant=provider.tenant,
        provider=provider,
        member=member,
        issuer=provider.issuer,
        subject=person.subject,
        is_verified=bool(person.is_verified),
    )
    audit.record(member_actor(member, address), "member.provider_tied", member, issuer=provider.issuer, email=email)
    return identity


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
    if invitation is None and (not provider.makes_members or _was_removed(provider.tenant, email)):
        raise NewcomerRefused("not_a_member", _("You are not a member of %(tenant)s.") % {"tenant": provider.tenant})
    if invitation is not None and invitation.role == Role.OWNER:
        message = _("You are invited as an owner: open the link of that mail first, and choose a password.")
        raise NewcomerRefused("owner_invitation", message)
    try:
        announcements.require_changes_in(provider.tenant)
    except ReadingOnly as only:
        raise NewcomerRefused(only.code, str(only)) from only
    if not NEWCOMERS.take(str(provider.tenant_id)):
        raise NewcomerRefused("too_many", _("Too many people joined today. Try again tomorrow."))
    user, ended = newcomers.account_of(provider.tenant, email, person.first_name, person.last_name)
    if invitation is not None:
        member = invitations.accept(invitation, user, address)
    else:
        member = Member.objects.create(tenant=provider.tenant, user=user, role=provider.default_role)
        actor = member_actor(member, address)
        audit.record(actor, "member.added", member, email=email, role=member.role, how="provider")
    newcomers.record_ended(member_actor(member, address), member, ended)
    return member


def _was_removed(tenant: Tenant, email: str) -> bool:
    """Returns whether somebody with this address left, or was removed, as far as the audit log goes back."""
    rows = AuditEntry.objects.filter(tenant=tenant, object_id=str(tenant.pk), action="member.removed")
    return rows.filter(details__email=email).exists()


def _give_role(provider: IdentityProvider, member: Member, person: Person) -> None:
    """Gives the role that the claim says: the highest of several, that of newcomers without any; never an owner's."""
    if not provider.role_claim or member.role == Role.OWNER:
        return
    named = [Role(provider.roles[value]) for value in person.values if value in provider.roles]
    role = min(named, key=RANK.__getitem__) if named else Role(provider.default_role)
    members.give_role(system_actor(provider.tenant), member, role)


def _text(value: object, longest: int) -> str:
    text = value.encode(errors="ignore").decode() if isinstance(value, str) else ""
    return " ".join(text.replace("\x00", "").split())[:longest]


def _several(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _spelled(value: object) -> str:
    """Returns a claim's value as settings spell it."""
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, str | int) else ""

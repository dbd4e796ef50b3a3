"""A tenant's OpenID or SAML provider: its settings, which owners decide about, as it could sign in as any of them.

It speaks only for addresses of the domains that an operator entered for the tenant (AllowedDomain), and what it signs
opens that tenant alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _

from tenants import account_mails, audit, people_lock, scope
from tenants.access import Actor
from tenants.encryption import ciphers
from tenants.models import AllowedDomain, Identity, IdentityProvider, Protocol, Role, User

SALT = "tenants.identity_providers"
PERMISSION = "owners.manage"
GO_ON = {"client_secret", "roles", "role_claim", "default_role", "makes_members"}
"""Settings with which sessions go on; with a change of any other whoever signed in with the provider is signed out."""


TOLD = {
    *("issuer", "client_id", "client_secret", "is_enabled", "is_required", "required_claim", "trusts_addresses"),
    *("counts_as_second_factor", "protocol", "metadata_url", "metadata", "email_claim"),
}
"""Settings of whose change the owners are mailed, as whoever made it could sign in as any of them."""


class SecretLost(Exception):
    """The secret was encrypted with a SECRET_KEY that is not configured any more."""


@dataclass(frozen=True)
class ProviderSettings:
    """The settings of a provider. An empty `secret` keeps the one that there is; a SAML provider has none."""

    issuer: str
    client_id: str = ""
    secret: str = field(default="", repr=False)
    protocol: str = Protocol.OPENID
    metadata_url: str = ""
    metadata: str = ""
    email_claim: str = ""
    is_enabled: bool = False
    makes_members: bool = True
    default_role: str = Role.VIEWER
    role_claim: str = ""
    required_claim: str = ""
    roles: dict[str, str] = field(default_factory=dict)
    trusts_addresses: bool = False
    counts_as_second_factor: bool = False
    is_required: bool = False


def are_allowed() -> bool:
    """Returns whether whoever runs the portal lets tenants' providers and directories in."""
    return bool(settings.SINGLE_SIGN_ON)


def require(actor: Actor) -> None:
    """Raises PermissionDenied, and Http404 where whoever runs the portal wants no providers."""
    if not are_allowed():
        raise Http404
    actor.require(PERMISSION)


def provider_of(actor: Actor) -> IdentityProvider | None:
    """Returns the tenant's provider. Raises PermissionDenied and Http404."""
    require(actor)
    return IdentityProvider.objects.filter(tenant=actor.tenant).first()


def keep(actor: Actor, wanted: ProviderSettings) -> IdentityProvider:
    """Makes or changes the tenant's provider. Raises PermissionDenied, Http404 and ValueError without a secret."""
    require(actor)
    with transaction.atomic():
        people_lock.lock(actor.tenant.id)
        row = provider_of(actor) or IdentityProvider(tenant=actor.tenant)
        is_saml, is_new = wanted.protocol == Protocol.SAML, row._state.adding
        if not is_saml and not wanted.secret and (not row.sealed_secret or row.issuer != wanted.issuer):
            raise ValueError("A provider needs a secret, and another issuer another one.")
        values = {name: value for name, value in vars(wanted).items() if name != "secret"}
        changed = sorted(name for name, value in values.items() if getattr(row, name) != value)
        before = {f"{name}_before": _told(row, name) for name in changed if name in TOLD and not is_new}
        for name, value in values.items():
            setattr(row, name, value)
        if is_saml:
            row.sealed_secret = ""
        elif wanted.secret:
            row.sealed_secret = ciphers(SALT).encrypt(wanted.secret.encode()).decode()
            changed.append("client_secret")
        row.save()
        if changed:
            audit.record(
                actor, "provider.changed", row, fields=changed, issuer=row.issuer, enabled=row.is_enabled, **before
            )
        if TOLD.intersection(changed):
            tell_owners(actor, row)
        end_what_was_opened(row, changed)
    return row


def _told(row: IdentityProvider, name: str) -> Any:
    """Returns a setting as the audit log keeps it: of metadata, which are long, their checksum."""
    value = getattr(row, name)
    return sha256(value.encode()).hexdigest() if name == "metadata" and value else value


def remove(actor: Actor) -> None:
    """Ends sign-in by the provider, and signs out whom it signed in. Raises PermissionDenied and Http404."""
    row = provider_of(actor)
    if row is None:
        raise Http404(_("There is no identity provider."))
    with transaction.atomic():
        audit.record(actor, "provider.removed", row, issuer=row.issuer)
        tell_owners(actor, row)
        row.delete()


def tell_owners(actor: Actor, row: IdentityProvider) -> None:
    """Mails the owners that another provider, or the provider otherwise, decides who they are."""
    by = actor.user.email if actor.user else ""
    for user in User.objects.filter(memberships__tenant=actor.tenant, memberships__role=Role.OWNER).order_by("pk"):
        account_mails.tell(user, "provider_changed", "web:provider", tenant=actor.tenant, issuer=row.issuer, by=by)


def end_what_was_opened(row: IdentityProvider, changed: Collection[str]) -> None:
    """Ends what the settings before had opened: sessions that the provider signed, and ties that it would not make."""
    ties = Identity.objects.filter(provider=row)
    if {"issuer", "protocol", "email_claim"}.intersection(changed):
        ties.delete()
    elif "trusts_addresses" in changed and not row.trusts_addresses:
        ties.filter(is_verified=False).delete()
    if not GO_ON.issuperset(changed):
        row.generation = uuid4()
        row.save(update_fields=["generation"])


def secret_of(row: IdentityProvider) -> str:
    """Raises SecretLost."""
    try:
        return ciphers(SALT).decrypt(row.sealed_secret).decode()
    except InvalidToken:
        raise SecretLost from None


def enabled(tenant_id: UUID | str) -> IdentityProvider | None:
    """Returns the provider with which people of an active tenant sign in; None if there is none."""
    if not settings.SINGLE_SIGN_ON:
        return None
    with scope.across_tenants("nobody is signed in yet"):
        rows = IdentityProvider.objects.filter(tenant_id=tenant_id, is_enabled=True, tenant__is_active=True)
        return rows.select_related("tenant").first()


def of_address(email: str) -> IdentityProvider | None:
    """Returns the provider that speaks for an address; None if there is none."""
    domain = User.objects.normalize_email(email).rpartition("@")[2]
    with scope.across_tenants("the address says which tenant"):
        rows = AllowedDomain.objects.filter(domain=domain, by_provider=True)
        found = rows.first() if domain and "\x00" not in domain else None
    return enabled(found.tenant_id) if found else None


def speak_saml() -> bool:
    """Returns whether people of any tenant sign in by SAML."""
    with scope.across_tenants("whoever runs the portal installs what they need"):
        rows = IdentityProvider.objects.filter(is_enabled=True, protocol=Protocol.SAML, sealed_secret="")
        return bool(settings.SINGLE_SIGN_ON) and rows.exists()


def are_offered() -> bool:
    """Returns whether people of any tenant sign in with a provider."""
    if not settings.SINGLE_SIGN_ON:
        return False
    with scope.across_tenants("the page says whether there is any"):
        return IdentityProvider.objects.filter(is_enabled=True, tenant__is_active=True).exists()

"""A tenant's OpenID or SAML provider, and who it has signed in."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.member import Member, Role
from tenants.models.tenant import Tenant
from tenants.scope import TenantManager


class Protocol(models.TextChoices):
    OPENID = "openid", "OpenID Connect"
    SAML = "saml", "SAML 2.0"


class IdentityProvider(models.Model):
    """Where a tenant's people sign in, besides the portal. It speaks for addresses of the tenant's allowed domains."""

    tenant = models.OneToOneField(
        Tenant, models.CASCADE, related_name="identity_provider", verbose_name=_("tenant"), primary_key=True
    )
    is_enabled = models.BooleanField(
        _("people can sign in with it"),
        default=False,
        help_text=_("Test it first. Switched off, whoever signed in with it is signed out."),
    )
    protocol = models.CharField(
        _("protocol"), max_length=10, choices=Protocol, default=Protocol.OPENID, db_default=Protocol.OPENID
    )
    issuer = models.CharField(
        _("issuer"),
        max_length=500,
        help_text=_(
            "As the provider writes it, as in https://login.example.com/realms/acme: its settings are read from "
            "/.well-known/openid-configuration below it. With SAML its entity ID; empty, the metadata say it."
        ),
    )
    client_id = models.CharField(_("client ID"), max_length=255)
    sealed_secret = models.TextField(editable=False, help_text="Encrypted: tenants.identity_providers.")
    metadata_url = models.CharField(
        _("address of its metadata"),
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text=_("They are read anew every few minutes, so that the provider may change its certificates."),
    )
    metadata = models.TextField(
        _("or the metadata themselves"),
        max_length=200_000,
        blank=True,
        default="",
        db_default="",
        help_text=_("XML, where the portal can’t reach the address. Enter them anew before a certificate changes."),
    )
    email_claim = models.CharField(
        _("attribute with the e-mail address"),
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_("Empty: one of the usual names, as in email or mail, or the NameID if it is an address."),
    )
    makes_members = models.BooleanField(
        _("newcomers become members"),
        default=True,
        help_text=_("Without it only those come in whom somebody invited, or who are members already."),
    )
    default_role = models.CharField(
        _("role of newcomers"),
        max_length=10,
        choices=[(role.value, role.label) for role in (Role.VIEWER, Role.EDITOR)],
        default=Role.VIEWER,
    )
    role_claim = models.CharField(
        _("claim with the role"),
        max_length=100,
        blank=True,
        help_text=_("As in groups or roles; with SAML an attribute’s name. Empty: roles are given in the portal."),
    )
    roles: models.JSONField[dict[str, str]] = models.JSONField(_("roles by the claim’s values"), default=dict)
    required_claim = models.CharField(
        _("claim that people must have"),
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "A claim and its value, as in tid = 1b2c3d, without which nobody is signed in: for an issuer that signs "
            "for other organisations, too. Google’s accounts need an hd of your domains anyway."
        ),
    )
    trusts_addresses = models.BooleanField(
        _("believe addresses that it doesn’t call verified"),
        default=False,
        help_text=_(
            "Microsoft Entra and most SAML providers say nothing of it. Only where nobody can change their own address "
            "there. An address that is said not to be verified is never believed."
        ),
    )
    counts_as_second_factor = models.BooleanField(
        _("it asks for a second factor"),
        default=False,
        help_text=_("Then the portal asks for none of its own after it, and two-factor authentication counts as met."),
    )
    is_required = models.BooleanField(
        _("required of members with an address of these domains"),
        default=False,
        help_text=_(
            "Their passwords and passkeys no longer open this organisation. Owners keep theirs, for the day on which "
            "the provider fails."
        ),
    )
    generation = models.UUIDField(
        default=uuid.uuid4, editable=False, help_text="Another one, and whoever signed in with it is signed out."
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("identity provider")
        verbose_name_plural = _("identity providers")
        constraints = (
            models.CheckConstraint(condition=Q(is_enabled=True) | Q(is_required=False), name="required_if_enabled"),
        )

    def __str__(self) -> str:
        return self.issuer

    @property
    def is_saml(self) -> bool:
        """A version that knows no SAML leaves the protocol as it is, and writes the secret of an OpenID client."""
        return self.protocol == Protocol.SAML and not self.sealed_secret

    @property
    def host(self) -> str:
        """Where people sign in, as far as it is known without asking the provider; an entity ID may be any text."""
        try:
            return urlsplit((self.is_saml and self.metadata_url) or self.issuer).hostname or self.issuer
        except ValueError:
            return self.issuer

    @property
    def claims(self) -> tuple[str, ...]:
        """The names of the claims that it is asked for, beside the address."""
        return tuple(filter(None, (self.role_claim, self.required_claim.partition("=")[0].strip())))


class Identity(models.Model):
    """What a provider knows a member by: nobody else has this subject there, and the member no other one.

    It goes with the provider, with the membership, and with the address by which the two were tied.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    provider = models.ForeignKey(
        IdentityProvider, models.CASCADE, related_name="+", verbose_name=_("identity provider")
    )
    member = models.ForeignKey(Member, models.CASCADE, related_name="identities", verbose_name=_("member"))
    issuer = models.CharField(_("issuer"), max_length=500)
    subject = models.CharField(_("subject"), max_length=255)
    is_verified = models.BooleanField(_("the provider called the address verified"))
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("identity at a provider")
        verbose_name_plural = _("identities at providers")
        constraints = (
            models.UniqueConstraint(fields=["tenant", "issuer", "subject"], name="one_member_per_subject"),
            models.UniqueConstraint(fields=["member", "issuer"], name="one_subject_per_member"),
        )

    def __str__(self) -> str:
        return f"{self.subject} @ {self.issuer}"

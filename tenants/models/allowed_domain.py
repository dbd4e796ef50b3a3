"""Domains of e-mail addresses that are a tenant's: their holders may join it, its provider may speak for them."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.member import Role
from tenants.models.tenant import Tenant
from tenants.scope import TenantManager


class AllowedDomain(models.Model):
    """By mail, whoever gets it at an address of the domain may join; by the provider, whom it signs in may be anybody.

    Set by operators, who know whose it is.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="allowed_domains", verbose_name=_("tenant"))
    domain = models.CharField(
        _("domain"),
        max_length=253,
        unique=True,
        validators=[RegexValidator(r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*\Z")],
        help_text=_(
            "As in example.com, in small letters, without its subdomains; never that of a mail provider, where anybody "
            "gets an address."
        ),
    )
    role = models.CharField(
        _("role of newcomers"),
        max_length=10,
        choices=[(role.value, role.label) for role in (Role.VIEWER, Role.EDITOR)],
        default=Role.VIEWER,
    )
    by_mail = models.BooleanField(
        _("joined by a mailed link"),
        default=True,
        db_default=True,
        help_text=_("Whoever gets mail at an address of the domain joins with the role of newcomers."),
    )
    by_provider = models.BooleanField(
        _("the organisation’s identity provider speaks for it"),
        default=False,
        db_default=False,
        help_text=_(
            "It signs in whomever it likes with an address of the domain, members and owners included. Tick it only "
            "once it is certain that the domain is this organisation’s."
        ),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("allowed domain")
        verbose_name_plural = _("allowed domains")
        ordering = ("domain",)

    def __str__(self) -> str:
        return self.domain

"""What a tenant's directory (SCIM) knows: the tokens by which it comes in, and its people."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.member import Member
from tenants.models.tenant import Tenant
from tenants.scope import TenantManager


class DirectoryToken(models.Model):
    """A bearer token of a tenant's directory. Its secret is shown once, and kept as a digest."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    name = models.CharField(_("name"), max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    maker_name = models.CharField(_("made by"), max_length=254, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("directory token")
        verbose_name_plural = _("directory tokens")
        ordering = ("-created_at", "id")

    def __str__(self) -> str:
        return self.name


class DirectoryPerson(models.Model):
    """Somebody as the directory has them. Without `member` they are switched off there, or left.

    `attributes` are those of SCIM that the directory reads again: name, addresses and roles.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    member = models.OneToOneField(
        Member, models.SET_NULL, related_name="directory_person", null=True, verbose_name=_("member")
    )
    user_name = models.CharField(_("name in the directory"), max_length=254)
    folded = models.CharField(max_length=254, editable=False, help_text="The name without its capitals.")
    external_id = models.CharField(_("id in the directory"), max_length=255, blank=True)
    is_active = models.BooleanField(_("active"), null=True, help_text=_("Unknown counts as active."))
    attributes: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("person of a directory")
        verbose_name_plural = _("people of directories")
        ordering = ("created_at", "id")
        constraints = (models.UniqueConstraint(fields=["tenant", "folded"], name="one_person_per_name"),)

    def __str__(self) -> str:
        return self.user_name

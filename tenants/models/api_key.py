"""API keys."""

from __future__ import annotations

import uuid
from typing import Literal

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.member import Member
from tenants.models.tenant import Tenant
from tenants.models.user import User
from tenants.scope import TenantManager


class KeyScope(models.TextChoices):
    """The scopes of keys; each includes the previous one."""

    READ = "read", _("Read")
    WRITE = "write", _("Read and write")
    ADMIN = "admin", _("Everything an admin may")


Maker = Literal["member", "operator", "inactive", "gone"]


class ApiKey(models.Model):
    """An API key. Only digests of its secrets are stored.

    live ──expires_at──▶ expired      (a later date reactivates it)
      └─────revoke─────▶ revoked      (permanently)

    After a rotation the key has two secrets: the old one is valid until `old_until`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="api_keys", verbose_name=_("tenant"))
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, editable=False, verbose_name=_("created by")
    )
    made_by = models.CharField(
        _("made by"), max_length=254, blank=True, db_default="", editable=False, help_text=_("Also once they are gone.")
    )
    kept_at = models.DateTimeField(
        _("kept"), null=True, editable=False, help_text=_("When somebody decided that it outlives its maker’s leaving.")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    scope = models.CharField(_("scope"), max_length=5, choices=KeyScope.choices, default=KeyScope.WRITE)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    addresses = models.JSONField(
        _("allowed addresses"),
        default=list,
        blank=True,
        help_text=_("Addresses and networks that it may be used from; empty: any."),
    )
    folders = models.JSONField(
        _("folders"),
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        help_text=_("Ids of the folders that it is limited to, also once they are gone; empty: all."),
    )
    old_prefix = models.CharField(_("old prefix"), max_length=16, unique=True, null=True, editable=False)  # noqa: DJ001 - unique
    old_digest = models.CharField(max_length=64, blank=True, editable=False)
    old_until = models.DateTimeField(_("old secret until"), null=True, blank=True, editable=False)
    old_last_used_at = models.DateTimeField(_("old secret last used"), null=True, blank=True, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_live(self) -> bool:
        return not self.is_revoked and not self.is_expired

    @property
    def old_is_live(self) -> bool:
        """Whether the secret from before the last rotation is still valid."""
        return self.is_live and self.old_until is not None and self.old_until > timezone.now()

    @property
    def maker(self) -> Maker | None:
        """The current state of its creator; None if none was recorded."""
        if self.created_by is None:
            return "gone" if self.made_by else None
        if not self.created_by.is_active:
            return "inactive"
        is_member = getattr(self, "maker_is_member", None)  # annotated by api_keys.with_makers
        if is_member is None:
            is_member = Member.objects.filter(tenant_id=self.tenant_id, user=self.created_by).exists()
        if is_member:
            return "member"
        return "operator" if self.created_by.is_staff else "gone"

    @property
    def is_left_behind(self) -> bool:
        """Whether its creator has left and nobody has decided to keep it."""
        return self.is_live and self.kept_at is None and self.maker in ("inactive", "gone")

    @property
    def state(self) -> str:
        """`live`, `expired` or `revoked`."""
        if self.is_revoked:
            return "revoked"
        return "expired" if self.is_expired else "live"

"""Memberships of users in tenants."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.tenant import Tenant
from tenants.models.user import User


class Role(models.TextChoices):
    OWNER = "owner", _("Owner")
    ADMIN = "admin", _("Admin")
    EDITOR = "editor", _("Editor")
    VIEWER = "viewer", _("Viewer")


class Member(models.Model):
    """A user's membership of a tenant."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="members", verbose_name=_("tenant"))
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships", verbose_name=_("user"))
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.EDITOR)
    created_at = models.DateTimeField(_("since"), default=timezone.now, editable=False)
    mentions_after = models.DateTimeField(_("next mail about mentions not before"), null=True, editable=False)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = (models.UniqueConstraint(fields=["tenant", "user"], name="one_membership_per_tenant"),)

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"

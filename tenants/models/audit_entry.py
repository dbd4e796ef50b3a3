"""Entries of the audit log."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.append_only import AppendOnly, AppendOnlyRows
from tenants.models.tenant import Tenant
from tenants.scope import TenantManager


class AuditEntry(AppendOnly):
    """An audit entry: who did what to which object, when and from where. Written only by tenants.audit.

    Who it was is kept as text, so that the entry says the same when the person or the key is gone.
    """

    class Kind(models.TextChoices):
        MEMBER = "member", _("Member")
        KEY = "key", _("API key")
        OPERATOR = "operator", _("Operator")
        SUPPORT = "support", _("Operator, for a member")
        DIRECTORY = "scim", _("Directory (SCIM)")
        GUEST = "guest", _("Guest, by a share link")
        SYSTEM = "system", _("The portal itself")
        UNKNOWN = "unknown", _("Somebody unknown")

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="audit", db_index=False, verbose_name=_("organisation")
    )
    created_at = models.DateTimeField(_("time"), default=timezone.now, editable=False)
    actor_kind = models.CharField(_("kind of actor"), max_length=8, choices=Kind.choices)
    actor_id = models.CharField(_("id of the actor"), max_length=36, blank=True)
    actor_name = models.CharField(_("actor"), max_length=254, blank=True)
    address = models.CharField(_("address"), max_length=45, blank=True)
    action = models.CharField(_("action"), max_length=40)
    object_type = models.CharField(_("kind of object"), max_length=40, blank=True)
    object_id = models.CharField(_("id of the object"), max_length=40, blank=True)
    details = models.JSONField(_("details"), default=dict, blank=True)
    once = models.UUIDField(null=True, editable=False, help_text="Names the time in which no second entry is like it.")

    objects = TenantManager.from_queryset(AppendOnlyRows)()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=["once"], condition=models.Q(once__isnull=False), name="audit_once"),
        )
        indexes = (
            models.Index(fields=["tenant", "created_at", "id"], name="audit_by_tenant"),
            models.Index(fields=["tenant", "object_id"], name="audit_by_object"),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.actor_name}"

    @property
    def is_operators(self) -> bool:
        return self.actor_kind == self.Kind.OPERATOR

    @property
    def shown_actor(self) -> str:
        """The actor's name as tenants see it: operators are anonymous."""
        return "" if self.is_operators else self.actor_name

    @property
    def shown_actor_id(self) -> str:
        return "" if self.is_operators else self.actor_id

    @property
    def shown_address(self) -> str:
        return "" if self.is_operators else self.address

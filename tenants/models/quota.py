"""The limits of a tenant."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.limits import Limits
from tenants.models.plan import Plan
from tenants.models.tenant import Tenant

LIMITS = tuple(field.name for field in Limits._meta.fields)


class Quota(Limits):
    """The limits of a tenant: those of its plan, as far as they are not its own (`overrides`, names of fields)."""

    tenant = models.OneToOneField(Tenant, models.CASCADE, related_name="quota", verbose_name=_("tenant"))
    plan = models.ForeignKey(Plan, models.PROTECT, null=True, blank=True, related_name="quotas", verbose_name=_("plan"))
    overrides = models.JSONField(_("its own, whatever its plan says"), default=list, db_default=[], editable=False)
    stored_bytes_used = models.PositiveBigIntegerField(_("stored bytes in use"), default=0, editable=False)

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")

    def __str__(self) -> str:
        return str(_("Quota of %(tenant)s") % {"tenant": self.tenant})

    def save(self, **arguments: Any) -> None:
        """Leaves out the counter, so that a form that was open meanwhile doesn't reset it."""
        if not self._state.adding:
            kept = {"id", "stored_bytes_used"}
            fields = [field.name for field in self._meta.concrete_fields if field.name not in kept]
            arguments.setdefault("update_fields", fields)
        super().save(**arguments)

    @classmethod
    def with_defaults(cls, tenant: Tenant) -> Quota:
        return cls(tenant=tenant, **settings.QUOTA_DEFAULTS)

    @classmethod
    def of_plan(cls, tenant: Tenant, plan: Plan) -> Quota:
        return cls(tenant=tenant, plan=plan, **{name: getattr(plan, name) for name in LIMITS})

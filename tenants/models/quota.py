"""The limits of a tenant."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.tenant import Tenant


class Quota(models.Model):
    """The limits of a tenant. Seconds are audio seconds."""

    tenant = models.OneToOneField(Tenant, models.CASCADE, related_name="quota", verbose_name=_("tenant"))
    monthly_seconds = models.PositiveBigIntegerField(_("audio seconds a month"))
    concurrent = models.PositiveIntegerField(_("transcriptions at once"))
    upload_bytes = models.PositiveBigIntegerField(_("largest upload in bytes"))
    recording_seconds = models.PositiveIntegerField(_("longest recording in seconds"))
    stored_bytes = models.PositiveBigIntegerField(_("stored bytes"))
    requests_per_minute = models.PositiveIntegerField(
        _("API requests a minute"), default=600, validators=[MinValueValidator(1)]
    )
    share = models.PositiveSmallIntegerField(
        _("share"),
        default=1,
        validators=[MinValueValidator(1)],
        help_text=_("Weight in the fair order: a tenant with 2 is given twice the audio seconds of one with 1."),
    )
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

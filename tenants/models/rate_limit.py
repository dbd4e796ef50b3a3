"""Leaky buckets of the rate limit and of limited attempts."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.tenant import Tenant


class RequestBudget(models.Model):
    """A tenant's requests a minute, as a leaky bucket. Changed only by tenants.rate_limit."""

    tenant = models.OneToOneField(Tenant, models.CASCADE, primary_key=True, related_name="request_budget")
    empty_at = models.FloatField(default=0.0, help_text="When the bucket has run dry, in seconds of Unix time.")

    class Meta:
        verbose_name = _("request budget")
        verbose_name_plural = _("request budgets")

    def __str__(self) -> str:
        return str(self.tenant_id)


class Attempts(models.Model):
    """The leaky bucket of a limited action, such as signing in. Changed only by tenants.throttle."""

    key = models.CharField(max_length=64, primary_key=True)
    empty_at = models.FloatField(db_index=True, help_text="When the bucket has run dry, in seconds of Unix time.")

    class Meta:
        verbose_name = _("attempts")
        verbose_name_plural = _("attempts")

    def __str__(self) -> str:
        return self.key

"""The results of the daily account checks."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AccountCheck(models.Model):
    """The result of the daily comparison of ledgers, reservations and balances."""

    day = models.DateField(_("day"), unique=True)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    tenants_checked = models.PositiveIntegerField(_("tenants checked"), default=0)
    discrepancies = models.JSONField(_("discrepancies"), default=list)

    class Meta:
        verbose_name = _("account check")
        verbose_name_plural = _("account checks")
        ordering = ("-day",)

    def __str__(self) -> str:
        return f"{self.day}"

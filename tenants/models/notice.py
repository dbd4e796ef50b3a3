"""Notices to owners about limits."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tenants.models.tenant import Tenant
from tenants.scope import TenantManager


class Notice(models.Model):
    """A notice to a tenant's owners that a percentage of a limit is used. Unique by limit, month and percentage.

    REFUSED stands for more than all of it: a recording needed more than what was left.
    """

    REFUSED: ClassVar[int] = 101

    class Limit(models.TextChoices):
        MONTHLY_SECONDS = "monthly_seconds", _("audio minutes a month")
        STORED_BYTES = "stored_bytes", _("storage")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="notices", verbose_name=_("tenant"))
    limit = models.CharField(_("limit"), max_length=20, choices=Limit.choices)
    percent = models.PositiveSmallIntegerField(_("percent"))
    month = models.DateField(_("month"), help_text=_("Its first day."))
    created_at = models.DateTimeField(_("raised"), default=timezone.now, editable=False)
    emailed_at = models.DateTimeField(_("e-mailed"), null=True, blank=True, editable=False)
    mail_after = models.DateTimeField(_("e-mail not before"), default=timezone.now, db_default=Now(), editable=False)
    mail_attempts = models.PositiveSmallIntegerField(
        _("attempts at the e-mail"), default=0, db_default=0, editable=False
    )
    dismissed_at = models.DateTimeField(_("dismissed"), null=True, blank=True, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ("-created_at", "-percent")
        constraints = (
            models.UniqueConstraint(fields=["tenant", "limit", "month", "percent"], name="one_notice_per_threshold"),
        )

    def __str__(self) -> str:
        return f"{self.reached} {self.get_limit_display()}"

    @property
    def reached(self) -> str:
        return gettext("refused") if self.percent == self.REFUSED else f"{self.percent} %"

"""A tenant's usage: months, reservations and the ledger. Changed only by tenants.quota."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.api_key import ApiKey
from tenants.models.tenant import Tenant
from tenants.models.user import User
from tenants.scope import TenantManager


class UsageMonth(models.Model):
    """A tenant's audio seconds in one calendar month (UTC). Changed only by tenants.quota."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="usage", verbose_name=_("tenant"))
    month = models.DateField(_("month"), help_text=_("Its first day."))
    used_seconds = models.PositiveBigIntegerField(_("used seconds"), default=0)
    reserved_seconds = models.PositiveBigIntegerField(_("reserved seconds"), default=0)

    objects = TenantManager()

    class Meta:
        verbose_name = _("usage of a month")
        verbose_name_plural = _("usage by month")
        ordering = ("-month",)
        constraints = (models.UniqueConstraint(fields=["tenant", "month"], name="one_usage_row_a_month"),)

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class Reservation(models.Model):
    """Audio seconds of a month that are reserved for a transcription until its end. Changed only by tenants.quota.

    held ──settle──▶ settled      (a ledger row says what was charged)
      └───release──▶ released     (nothing was charged)
    """

    class State(models.TextChoices):
        HELD = "held", _("Held")
        SETTLED = "settled", _("Settled")
        RELEASED = "released", _("Released")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="reservations", verbose_name=_("tenant"))
    month = models.ForeignKey(UsageMonth, models.CASCADE, related_name="reservations", verbose_name=_("month"))
    transcription_id = models.UUIDField(_("transcription"), unique=True)
    seconds = models.PositiveBigIntegerField(_("seconds"))
    user = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("member"))
    api_key = models.ForeignKey(
        ApiKey, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("API key")
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.HELD)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")

    def __str__(self) -> str:
        return f"{self.seconds} s {self.get_state_display()}"


class LedgerEntry(models.Model):
    """An entry of a tenant's ledger. Never changed or deleted; unique by transcription and kind."""

    class Kind(models.TextChoices):
        CHARGE = "charge", _("Charge")

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="ledger", verbose_name=_("tenant"))
    month = models.ForeignKey(UsageMonth, models.PROTECT, related_name="ledger", verbose_name=_("month"))
    transcription_id = models.UUIDField(_("transcription"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    seconds = models.PositiveBigIntegerField(_("audio seconds"))
    description = models.CharField(_("description"), max_length=255)
    user = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("member"))
    api_key = models.ForeignKey(
        ApiKey, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("API key")
    )
    created_at = models.DateTimeField(_("time"), default=timezone.now, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger")
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=["transcription_id", "kind"], name="one_entry_per_transcription_and_kind"),
        )
        indexes = (models.Index(fields=["tenant", "-created_at"], name="ledger_by_tenant"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.seconds} s"

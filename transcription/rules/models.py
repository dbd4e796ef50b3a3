"""A tenant's rules."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models import Tenant
from tenants.scope import TenantManager

LONGEST_RULE_NAME = 80


class Rule(models.Model):
    """What is given to recordings that arrive in a certain way. All rules that hold apply, in order; later ones win.

    `conditions` and `effects` name other rows by their ids and not by foreign keys: a condition about a key that is
    gone never holds again, where a missing one would always hold.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    name = models.CharField(_("name"), max_length=LONGEST_RULE_NAME)
    position = models.PositiveIntegerField(_("position"))
    is_active = models.BooleanField(_("switched on"), default=True)
    conditions: models.JSONField[dict[str, Any]] = models.JSONField(_("conditions"), default=dict, blank=True)
    effects: models.JSONField[dict[str, Any]] = models.JSONField(_("effects"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ("position", "created_at", "id")
        indexes = (models.Index(fields=["tenant", "position"], name="rules_of_a_tenant"),)

    def __str__(self) -> str:
        return self.name

"""The record of a deleted tenant, with a signed receipt."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Deletion(models.Model):
    """The deletion of a tenant.

        erasing ──nothing is left──▶ erased  (with a receipt)

    `erased` counts rows by model, in the transactions that delete them, so that crashes don't falsify it. It has no
    foreign key to the tenant, since it is kept when the tenant is gone.
    """

    class State(models.TextChoices):
        ERASING = "erasing", _("Being erased")
        ERASED = "erased", _("Erased")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant_uuid = models.UUIDField(_("id of the tenant"), unique=True, editable=False)
    tenant_name = models.CharField(_("tenant"), max_length=200, editable=False)
    requested_by = models.CharField(_("requested by"), max_length=254, editable=False)
    requested_at = models.DateTimeField(_("requested"), default=timezone.now, editable=False)
    archive = models.CharField(_("archive"), max_length=255, blank=True, editable=False)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.ERASING, editable=False)
    erased: models.JSONField[dict[str, int]] = models.JSONField(default=dict, editable=False)
    media: models.JSONField[dict[str, int]] = models.JSONField(default=dict, editable=False)
    ledger: models.JSONField[list[dict[str, Any]]] = models.JSONField(default=list, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, editable=False)
    receipt = models.TextField(_("receipt"), blank=True, editable=False)

    class Meta:
        verbose_name = _("deleted tenant")
        verbose_name_plural = _("deleted tenants")
        ordering = ("-requested_at",)

    def __str__(self) -> str:
        return f"{self.tenant_name} {self.get_state_display()}"

"""The record of a deleted tenant, with a signed receipt."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

STALE_SECONDS = 300
"""A download of which nothing was noted for so long was interrupted."""


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


class Download(models.Model):
    """An archive that an operator downloads: how far it is, and what was sent once it is whole.

    It has no foreign key to the tenant, since the receipt of the deletion names it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant_uuid = models.UUIDField(_("id of the tenant"), db_index=True, editable=False)
    requested_by = models.CharField(_("requested by"), max_length=254, editable=False)
    begun_at = models.DateTimeField(_("begun"), default=timezone.now, editable=False)
    noted_at = models.DateTimeField(_("last noted"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, editable=False)
    recordings_total = models.PositiveIntegerField(_("recordings in all"), editable=False)
    recordings_done = models.PositiveIntegerField(_("recordings sent"), default=0, editable=False)
    bytes = models.PositiveBigIntegerField(_("bytes"), default=0, editable=False)
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True, editable=False)

    class Meta:
        verbose_name = _("download of an archive")
        verbose_name_plural = _("downloads of archives")
        ordering = ("-begun_at",)

    def __str__(self) -> str:
        if self.finished_at is None:
            return f"{self.recordings_done} of {self.recordings_total} recordings"
        return f"{self.finished_at:%Y-%m-%d %H:%M} UTC, {self.bytes} bytes, SHA-256 {self.sha256}"

    @property
    def is_interrupted(self) -> bool:
        return self.finished_at is None and (timezone.now() - self.noted_at).total_seconds() > STALE_SECONDS

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models import Tenant
from tenants.scope import TenantManager
from transcription.models.transcription import Transcription


class IdempotencyKey(models.Model):
    """A client's key for one request, so that repeating it creates nothing. Kept for a day."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_sha256 = models.CharField(max_length=64)
    transcription = models.ForeignKey(Transcription, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = TenantManager()

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        constraints = (models.UniqueConstraint(fields=["tenant", "key"], name="one_request_per_idempotency_key"),)

    def __str__(self) -> str:
        return self.key

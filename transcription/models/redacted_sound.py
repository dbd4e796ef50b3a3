"""The copy of a recording's sound that is silent where it is struck out."""

from __future__ import annotations

from django.db import models

from tenants.models import Tenant
from tenants.scope import TenantManager
from transcription.models.recording import Recording


class RedactedSound(models.Model):
    """A stored copy that is silent in `spans`, and when the next one is to be made.

    It is made where it is due, by whoever claims it (transcription.strikes.copies): the claim makes it due again, for
    another process, when its lease has expired. Only a copy whose `spans` are the recording's is ever sent.
    """

    recording = models.OneToOneField(Recording, models.CASCADE, primary_key=True, related_name="redacted_sound")
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    spans: models.JSONField[list[list[float]]] = models.JSONField(default=list)
    track = models.PositiveSmallIntegerField(default=0)
    key = models.CharField(max_length=255, blank=True)
    due_at = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)

    objects = TenantManager()

    class Meta:
        verbose_name = "redacted sound"
        verbose_name_plural = "redacted sounds"
        indexes = (
            models.Index(fields=["due_at"], name="redacted_sounds_due", condition=models.Q(due_at__isnull=False)),
        )

    def __str__(self) -> str:
        return f"{self.recording_id}"

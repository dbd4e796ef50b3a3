"""The processes of this installation, as they last reported themselves."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Process(models.Model):
    """A web process, a sweeper or a gpuworker. `figures` is what only it knows, for the alerts."""

    class Kind(models.TextChoices):
        WEB = "web", _("web process")
        SWEEPER = "sweeper", _("sweeper")
        GPUWORKER = "gpuworker", _("gpuworker")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    host = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    release = models.CharField(max_length=40)
    figures = models.JSONField(default=dict)
    started_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        verbose_name = "process"
        verbose_name_plural = "processes"
        ordering = ("kind", "host", "started_at")

    def __str__(self) -> str:
        return f"{self.kind} {self.host} {self.pid}"

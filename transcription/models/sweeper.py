"""The sweepers of this installation, by when each last reported."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

LATELY = models.Q(updated_at__gte=Now() - timedelta(seconds=30))


class Sweeper(models.Model):
    """A machine's sweepers, which report every few seconds."""

    host = models.CharField(max_length=120, primary_key=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "sweeper"
        verbose_name_plural = "sweepers"

    def __str__(self) -> str:
        return self.host


def sweepers_alive() -> int:
    """Returns on how many machines a sweeper reported lately."""
    return Sweeper.objects.filter(LATELY).count()

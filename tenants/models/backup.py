"""Backups that were made, and what is held back after one was restored."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Backup(models.Model):
    """A backup that was made whole."""

    finished_at = models.DateTimeField(_("finished"), db_default=Now())
    name = models.CharField(_("name"), max_length=40)
    media = models.PositiveBigIntegerField(_("media"))
    bytes = models.PositiveBigIntegerField(_("bytes in all"))

    class Meta:
        verbose_name = _("backup")
        verbose_name_plural = _("backups")
        ordering = ("-finished_at",)

    def __str__(self) -> str:
        return self.name


class OutboundHold(models.Model):
    """While there is one, nothing is sent to others: no webhook, no download by URL, no mail of the sweeper's."""

    since = models.DateTimeField(_("since"), db_default=Now())
    backup = models.CharField(_("backup that was restored"), max_length=40)

    class Meta:
        verbose_name = _("hold of what goes out")
        verbose_name_plural = _("holds of what goes out")

    def __str__(self) -> str:
        return self.backup

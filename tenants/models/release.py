"""The releases of this portal that its database was brought to."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Release(models.Model):
    """A release whose migrations the database was given.

    before: the last migration of each app that the database had until then; empty for a new database. `manage.py
    upgrade --rollback` goes back to these.
    """

    version = models.CharField(_("version"), max_length=40)
    installed_at = models.DateTimeField(_("installed"), db_default=Now())
    before = models.JSONField(_("migrations before"), default=dict)

    class Meta:
        verbose_name = _("release")
        verbose_name_plural = _("releases")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return self.version

"""Plans: named sets of limits and features, which operators assign to tenants."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.limits import Limits


class Plan(Limits):
    """A named set of limits and features. tenants.plans hands them on to the quotas of its tenants."""

    name = models.CharField(_("name"), max_length=100, unique=True, help_text=_("Members see it on their usage page."))
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

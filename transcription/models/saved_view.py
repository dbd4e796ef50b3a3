"""Views of the library that members have saved."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from tenants.models import Member, Tenant
from tenants.scope import TenantManager

LONGEST_VIEW = 60


class SavedView(models.Model):
    """A choice of filters, search and order of the library, under a name: a member's own, or without one everybody's.

    `query` has them as the library's address does, by their names.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    member = models.ForeignKey(Member, models.CASCADE, null=True, related_name="+")
    name = models.CharField(_("name"), max_length=LONGEST_VIEW)
    query: models.JSONField[dict[str, str]] = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")

    def __str__(self) -> str:
        return self.name

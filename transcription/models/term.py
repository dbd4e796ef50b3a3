"""The words that a tenant wants written in its own way."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from tenants.models import Tenant
from tenants.scope import TenantManager
from transcription.models.folder import Folder

LONGEST = 60
MOST_SPELLINGS = 10
LONGEST_NOTE = 200


class Term(models.Model):
    """A term as it is to be written, and the spellings that it replaces in new transcripts.

    One of a `folder` counts for what is in it, before the tenant's own. `folded` is the term in small letters, by which
    it is one of its tenant, or of its folder.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    folder = models.ForeignKey(Folder, models.CASCADE, null=True, related_name="terms", editable=False, db_index=False)
    text = models.CharField(max_length=LONGEST)
    folded = models.CharField(max_length=2 * LONGEST, editable=False)
    spellings: models.JSONField[list[str]] = models.JSONField(default=list)
    note = models.CharField(max_length=LONGEST_NOTE, blank=True, default="")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("term")
        verbose_name_plural = _("terms")
        ordering = ("folded",)
        constraints = (
            models.UniqueConstraint(
                fields=["tenant", "folded"], condition=models.Q(folder=None), name="one_term_of_a_tenant"
            ),
            models.UniqueConstraint(fields=["folder", "folded"], name="one_term_of_a_folder"),
        )

    def __str__(self) -> str:
        return self.text

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models import Tenant
from tenants.scope import TenantManager
from transcription.search.tokens import TokensField


class Entry(models.Model):
    """What can be found of a recording: its name and its text. Written by search/index.py, which can make it again.

    `folded` has the name on its first line and a segment on each further one. There is no entry for what was deleted.
    """

    recording = models.OneToOneField(
        "transcription.Recording", models.CASCADE, primary_key=True, related_name="search_entry"
    )
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False)
    created_at = models.DateTimeField(help_text="The recording's.")
    transcription_id = models.UUIDField(null=True, help_text="Whose text it is; none while there is none.")
    folded = models.TextField()
    tokens = TokensField()

    objects = TenantManager()

    class Meta:
        verbose_name = _("search entry")
        verbose_name_plural = _("search entries")
        indexes = (models.Index(fields=["tenant", "-created_at", "-recording"], name="entries_newest_first"),)

    def __str__(self) -> str:
        return f"{self.recording_id}"

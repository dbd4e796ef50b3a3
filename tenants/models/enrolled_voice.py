"""Voices that members have enrolled."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.member import Member
from tenants.models.tenant import Tenant
from tenants.scope import TenantManager


class EnrolledVoice(models.Model):
    """A member's voice, by which they are named in their organisation's new recordings.

    `sealed` is what a network makes of it, encrypted (transcription.voices.sealing); the sound is not kept. `version`
    is the network's: voices of another one can't be compared.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    member = models.OneToOneField(Member, models.CASCADE, related_name="voice")
    name = models.CharField(_("name"), max_length=80)
    sealed = models.BinaryField()
    version = models.CharField(max_length=40)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("enrolled voice")
        verbose_name_plural = _("enrolled voices")

    def __str__(self) -> str:
        return self.name

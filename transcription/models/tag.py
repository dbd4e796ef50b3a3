"""Tags that an organisation gives its recordings, and what a person likes best."""

from __future__ import annotations

import unicodedata
import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from tenants.models import Tenant, User
from tenants.scope import TenantManager
from transcription.models.recording import Recording

LONGEST, LONGEST_FOLDED = 40, 160
COLOURS = 8
MOST_TAGS, MOST_ON_ONE = 200, 20


def folded_name(name: str) -> str:
    """Returns a tag's name as it is compared: in small letters, of one width."""
    return unicodedata.normalize("NFKC", name).casefold()


class Tag(models.Model):
    """A tag of a tenant. `folded` is its name as it is compared; `colour` is one of the theme's, from 0 on."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=LONGEST)
    folded = models.CharField(max_length=LONGEST_FOLDED, editable=False)
    colour = models.PositiveSmallIntegerField(_("colour"), default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    audio_retention_days = models.PositiveIntegerField(_("days that audio is kept"), null=True, blank=True)
    text_retention_days = models.PositiveIntegerField(_("days that text is kept"), null=True, blank=True)

    objects = TenantManager()

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ("folded",)
        constraints = (models.UniqueConstraint(fields=["tenant", "folded"], name="one_tag_per_tenant"),)

    def __str__(self) -> str:
        return self.name


class Tagging(models.Model):
    """That a recording has a tag."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="taggings", db_index=False)
    recording = models.ForeignKey(Recording, models.CASCADE, related_name="taggings")

    objects = TenantManager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["tag", "recording"], name="one_tagging_per_tag"),)

    def __str__(self) -> str:
        return f"{self.recording_id} {self.tag_id}"


class Favourite(models.Model):
    """That a person has marked a recording for finding it again. Nobody else sees it."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    user = models.ForeignKey(User, models.CASCADE, related_name="+", db_index=False)
    recording = models.ForeignKey(Recording, models.CASCADE, related_name="favourites")

    objects = TenantManager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "recording"], name="one_favourite_per_person"),)

    def __str__(self) -> str:
        return f"{self.user_id} {self.recording_id}"

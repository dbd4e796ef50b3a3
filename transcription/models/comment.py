"""What people say of passages of a recording."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models import ApiKey, Tenant, User
from tenants.scope import TenantManager
from transcription.models.recording import Recording

LONGEST_COMMENT = 2000
HIGHLIGHTS = 4
"""Colours of the theme, from 0 on, each with a line of its own kind below the words."""


class Comment(models.Model):
    """A comment on the seconds from `start` to `end` of a recording, a highlight if it says nothing, or a reply to one.

    A reply has the seconds of what it replies to, its `parent`. Only the first of a thread is resolved.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    recording = models.ForeignKey(Recording, models.CASCADE, related_name="comments")
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="replies")
    start = models.FloatField()
    end = models.FloatField()
    text = models.TextField(_("text"), blank=True)
    colour = models.PositiveSmallIntegerField(_("colour"), default=0)
    made_at = models.DateTimeField(default=timezone.now, editable=False)
    made_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="+")
    guest = models.CharField(
        max_length=254, blank=True, default="", db_default="", help_text="Who made it by a share link, and by which."
    )
    guest_name = models.CharField(max_length=254, blank=True, default="", db_default="")
    visit = models.UUIDField(null=True, editable=False, help_text="Of the guest: what they may change themselves.")
    link = models.UUIDField(null=True, editable=False, help_text="The id of the share link that a guest wrote by.")
    edited_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    resolved_by_guest = models.CharField(max_length=254, blank=True, default="", db_default="")

    objects = TenantManager()

    class Meta:
        verbose_name = _("comment")
        verbose_name_plural = _("comments")
        ordering = ("start", "made_at", "id")

    def __str__(self) -> str:
        return f"{self.id}"

    @property
    def author(self) -> str:
        """The name of the user, key or guest that made it; empty if user and key have been deleted."""
        return str(self.made_by or (self.api_key.name if self.api_key else self.guest))

    @property
    def resolver(self) -> str:
        """The name of the user, guest or key that resolved it; empty for a user that was deleted."""
        return str(self.resolved_by or self.resolved_by_guest)


class Mention(models.Model):
    """That a comment names somebody, who is told by mail, once."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    comment = models.ForeignKey(Comment, models.CASCADE, related_name="mentions")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    made_at = models.DateTimeField(default=timezone.now, editable=False)
    language = models.CharField(max_length=20, blank=True, db_default="", default="")
    mailed_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(db_default=0, default=0, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("mention")
        verbose_name_plural = _("mentions")
        constraints = (models.UniqueConstraint(fields=["comment", "user"], name="one_mention_per_person"),)
        indexes = (
            models.Index(fields=["made_at"], name="mentions_to_mail", condition=models.Q(mailed_at__isnull=True)),
        )

    def __str__(self) -> str:
        return f"{self.comment_id} {self.user_id}"

"""Videos with subtitles that somebody asked for."""

from __future__ import annotations

import uuid

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from tenants.models import ApiKey, Tenant, User
from tenants.scope import TenantManager
from transcription.models.recording import Recording
from transcription.models.transcription import Transcription
from transcription.request_id import MAX_LENGTH as REQUEST_ID_LENGTH
from transcription.request_id import current as current_request_id


class SubtitledVideo(models.Model):
    """A recording's picture and sound with the subtitles of a text, and with those of the text `beside` it.

    It is made where it is due, by whoever claims it (transcription.videos.making): the claim makes it due again, for
    another process, when its lease has expired. One that is not due is there, or failed. It is handed out as long as
    what is struck is just that of which it was made.
    """

    class Kind(models.TextChoices):
        BURNT = "burnt", _("In the picture (MP4)")
        MP4 = "mp4", _("As a track (MP4)")
        MKV = "mkv", _("As a track (MKV)")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    recording = models.ForeignKey(Recording, models.CASCADE, related_name="videos")
    transcription = models.ForeignKey(Transcription, models.CASCADE, related_name="videos")
    beside = models.ForeignKey(Transcription, models.CASCADE, null=True, related_name="+")
    kind = models.CharField(max_length=5, choices=Kind.choices)
    max_line_length = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)])
    max_lines = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)])
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    request_id = models.CharField(
        max_length=REQUEST_ID_LENGTH, blank=True, default=current_request_id, db_default="", editable=False
    )

    due_at = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    percent = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=40, blank=True)
    missing = models.CharField(max_length=40, blank=True, help_text="Some of the letters that no font has.")
    finished_at = models.DateTimeField(null=True)
    key = models.CharField(max_length=255, blank=True)
    bytes = models.PositiveBigIntegerField(default=0)
    struck: models.JSONField[list[list[float]]] = models.JSONField(default=list)
    revision = models.PositiveIntegerField(default=0, help_text="Of the text.")
    beside_revision = models.PositiveIntegerField(default=0)

    objects = TenantManager()

    class Meta:
        verbose_name = "video with subtitles"
        verbose_name_plural = "videos with subtitles"
        ordering = ("-created_at", "-id")
        indexes = (models.Index(fields=["due_at"], name="videos_due", condition=models.Q(due_at__isnull=False)),)

    def __str__(self) -> str:
        return f"{self.recording_id} {self.kind}"

    @property
    def is_mp4(self) -> bool:
        return self.kind != self.Kind.MKV

    @property
    def is_there(self) -> bool:
        return bool(self.key)

"""Uploads that arrive in several requests."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models import ApiKey, SupportVisit, Tenant, User
from tenants.scope import TenantManager
from transcription.media.storage import incoming_key
from transcription.models import Folder, Recording
from transcription.request_id import MAX_LENGTH as REQUEST_ID_LENGTH
from transcription.request_id import current as current_request_id


class Upload(models.Model):
    """A file that arrives in several requests, and what intake made of it.

        open ──the last byte is here──▶ arrived ──intake takes it──▶ accepted  (a recording)
         │                                 └─────intake refuses it─▶ refused   (a problem)
         └── terminated, or nothing came for a day: the row is deleted

    How much of an open one has arrived is not stored here: it is the size of its file, or the storage's list of parts.
    `accepted` is set in the transaction that creates the recording, so there is exactly one.
    """

    class Way(models.TextChoices):
        TUS = "tus", _("tus, to this server")
        S3 = "s3", _("parts, to the object storage")

    class State(models.TextChoices):
        OPEN = "open", _("Arriving")
        ARRIVED = "arrived", _("Being checked")
        ACCEPTED = "accepted", _("Accepted")
        REFUSED = "refused", _("Refused")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    user = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("member"))
    api_key = models.ForeignKey(
        ApiKey, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("API key")
    )
    visit = models.ForeignKey(
        SupportVisit, models.SET_NULL, null=True, blank=True, editable=False, related_name="+", db_index=False
    )
    way = models.CharField(_("way"), max_length=3, choices=Way.choices, default=Way.TUS)
    name = models.CharField(_("name"), max_length=255)
    length = models.PositiveBigIntegerField(_("bytes"))
    metadata = models.TextField(blank=True, editable=False, help_text="Upload-Metadata, as the client sent it.")
    options = models.JSONField(default=dict, blank=True, editable=False, help_text="As asked for, by name.")
    source = models.CharField(_("source"), max_length=10, choices=Recording.Source.choices)
    folder = models.ForeignKey(
        Folder, models.CASCADE, null=True, blank=True, editable=False, related_name="uploads", verbose_name=_("folder")
    )
    idempotency_key = models.CharField(max_length=255, blank=True, editable=False)
    multipart_id = models.CharField(max_length=1024, blank=True, editable=False, help_text="S3's name for it.")
    request_id = models.CharField(
        max_length=REQUEST_ID_LENGTH,
        blank=True,
        default=current_request_id,
        db_default="",
        editable=False,
        help_text="Of the HTTP request that began it, then of the one that brought its last byte.",
    )
    part_bytes = models.PositiveBigIntegerField(default=0, editable=False)

    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"), help_text=_("A file on this server: a day after its last byte."))
    not_before = models.DateTimeField(db_default=Now(), editable=False, help_text="When it is next tried.")
    tries = models.PositiveIntegerField(default=0, editable=False, help_text="That failed by a fault of ours.")
    interruptions = models.PositiveIntegerField(
        default=0,
        db_default=0,  # the version before opens uploads while the portal is upgraded
        editable=False,
        help_text="Of the tries, those in which somebody killed ffmpeg.",
    )
    recording = models.ForeignKey(
        Recording, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("recording")
    )
    transcription_id = models.UUIDField(null=True, blank=True, editable=False)
    problem: models.JSONField[dict[str, Any]] = models.JSONField(default=dict, blank=True, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=["tenant", "-created_at"], name="uploads_newest_first"),
            models.Index(fields=["not_before"], condition=Q(state="arrived"), name="uploads_to_accept"),
            models.Index(fields=["state", "expires_at"], name="uploads_by_expiry"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_on_disk(self) -> bool:
        """Whether its bytes come to this server."""
        return self.way == self.Way.TUS

    @property
    def is_settled(self) -> bool:
        return self.state in (self.State.ACCEPTED, self.State.REFUSED)

    @property
    def object_key(self) -> str:
        """Where the object storage has its bytes until they are accepted."""
        return incoming_key(self.tenant_id, self.id)

from __future__ import annotations

import uuid
from urllib.parse import urlsplit, urlunsplit

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models import ApiKey, Tenant
from tenants.scope import TenantManager
from transcription.models import Folder, Recording
from transcription.request_id import MAX_LENGTH as REQUEST_ID_LENGTH
from transcription.request_id import current as current_request_id


class Fetch(models.Model):
    """A recording that is to be downloaded from a URL and transcribed.

               claim                 arrived               accepted
        queued ──────▶ fetching ───────────────▶ accepting ─────────▶ done
          ▲ │           │ │ │                        │
          │ └─ cancel ◀─┘ │ └── can't succeed, ──────┴──▶ failed
          │               │     or the last attempt
          └───────────────┘ tried again after a delay

    Erasing the recording deletes the row, with its name and URL.

    `not_before` is when a queued one is due, and when the lease of a claimed one expires. Every write of an attempt is
    conditional on `fence`. The transcription has the fetch's id, so that accepting twice can't create two.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        FETCHING = "fetching", _("Being fetched")
        ACCEPTING = "accepting", _("Being checked")
        DONE = "done", _("Accepted")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    api_key = models.ForeignKey(
        ApiKey, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("API key")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    url = models.CharField(_("URL"), max_length=2000, help_text=_("Without its query once it is over."))
    name = models.CharField(_("name"), max_length=255, blank=True)
    options = models.JSONField(default=dict, editable=False)
    folder = models.ForeignKey(
        Folder, models.CASCADE, null=True, blank=True, editable=False, related_name="fetches", verbose_name=_("folder")
    )
    endpoint = models.CharField(max_length=255, editable=False)
    idempotency_key = models.CharField(max_length=255, blank=True, editable=False)
    request_id = models.CharField(
        max_length=REQUEST_ID_LENGTH,
        blank=True,
        default=current_request_id,
        db_default="",
        editable=False,
        help_text="Of the HTTP request that asked for it, for log lines.",
    )
    request_sha256 = models.CharField(max_length=64, editable=False)

    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.QUEUED)
    fence = models.PositiveIntegerField(default=0, editable=False)
    attempts_made = models.PositiveSmallIntegerField(_("attempts"), default=0, editable=False)
    not_before = models.DateTimeField(db_default=Now(), editable=False)
    bytes_received = models.PositiveBigIntegerField(_("bytes received"), default=0, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True, editable=False)
    error_code = models.CharField(_("error"), max_length=40, blank=True, editable=False)
    error_message = models.TextField(_("reason"), blank=True, editable=False)
    # Without a constraint in the database, so that a version that knows of no cascade can still erase a recording.
    recording = models.ForeignKey(
        Recording,
        models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        db_constraint=False,
        related_name="+",
        verbose_name=_("recording"),
    )
    transcription_id = models.UUIDField(_("transcription"), null=True, blank=True, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("download by URL")
        verbose_name_plural = _("downloads by URL")
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=["tenant", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="one_fetch_per_idempotency_key",
            ),
        )
        indexes = (
            models.Index(fields=["tenant", "-created_at", "-id"], name="fetches_newest_first"),
            models.Index(
                fields=["tenant", "not_before"],
                condition=Q(status__in=("queued", "fetching", "accepting")),
                name="fetches_due",
            ),
        )

    def __str__(self) -> str:
        return f"{self.shown_url} {self.status}"

    @property
    def shown_url(self) -> str:
        """Without its query, which may be somebody's key to the file."""
        return urlunsplit(urlsplit(self.url)._replace(query="", fragment=""))


UNDER_WAY = (Fetch.Status.QUEUED, Fetch.Status.FETCHING, Fetch.Status.ACCEPTING)

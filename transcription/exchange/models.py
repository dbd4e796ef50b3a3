"""A tenant's places, what is delivered to them, and what arrives from them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models import Tenant
from tenants.scope import TenantManager
from transcription.models import Folder, Recording
from transcription.request_id import MAX_LENGTH as REQUEST_ID_LENGTH
from transcription.request_id import current as current_request_id


class Place(models.Model):
    """A folder under EXCHANGE_ROOT, a prefix of an S3 bucket, or a folder of a mailbox.

    Exports go to its `out/`. What lies in the `in/` of a watched one becomes a recording and is moved to `done/` or
    `failed/`. A mailbox is always watched, and takes no exports: `endpoint` is its server, `path` the folder there,
    `key_id` the user; `senders` are addresses and domains with spaces between them. `not_before` delays all work with
    one that fails, `next_look_at` the looking into it; with a paused one nothing is done.
    """

    class Kind(models.TextChoices):
        FOLDER = "folder", _("A folder of this server")
        BUCKET = "bucket", _("An S3 bucket")
        MAILBOX = "mailbox", _("A mailbox (IMAP)")

    class Trust(models.TextChoices):
        DMARC = "dmarc", _("Only messages for which the receiving server says that DMARC passed")
        SERVER = "server", _("All messages: the mailbox’s server itself turns forged senders away")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    path = models.CharField(_("folder or prefix"), max_length=200, blank=True)
    endpoint = models.CharField(_("address of the service"), max_length=500, blank=True)
    bucket = models.CharField(_("bucket"), max_length=100, blank=True)
    region = models.CharField(_("region"), max_length=40, blank=True)
    key_id = models.CharField(_("access key id"), max_length=200, blank=True)
    sealed_secret = models.TextField(blank=True, editable=False)
    senders = models.TextField(_("who may send"), blank=True, default="", db_default="")
    trust = models.CharField(
        _("which senders are believed"), max_length=10, choices=Trust.choices, default=Trust.DMARC, db_default="dmarc"
    )
    authserv_id = models.CharField(
        _("name of the receiving server"), max_length=200, blank=True, default="", db_default=""
    )
    folder = models.ForeignKey(
        Folder, models.SET_NULL, null=True, blank=True, related_name="mailboxes", verbose_name=_("folder of recordings")
    )
    is_watched = models.BooleanField(_("watched"), default=False)
    is_paused = models.BooleanField(_("paused"), default=False, db_default=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    last_error = models.TextField(_("reason"), blank=True, editable=False)
    not_before = models.DateTimeField(db_default=Now(), editable=False)
    next_look_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("folder or bucket")
        verbose_name_plural = _("folders and buckets")
        ordering = ("name", "id")
        indexes = (models.Index(fields=["tenant", "name"], name="places_of_a_tenant"),)

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """A recording's exports that are to be written to a place, once it has a text.

            text is there, written
    pending ───────────────────────▶ delivered      asking again makes either of them pending
       │  ▲
       │  └── tried again: backoff over three days
       └── last try ─▶ failed
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    place = models.ForeignKey(Place, models.CASCADE, related_name="deliveries", verbose_name=_("folder or bucket"))
    recording = models.ForeignKey(Recording, models.CASCADE, related_name="+", verbose_name=_("recording"))
    formats: models.JSONField[list[str]] = models.JSONField(_("formats"), default=list)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    request_id = models.CharField(
        max_length=REQUEST_ID_LENGTH, blank=True, default=current_request_id, db_default="", editable=False
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PENDING)
    fence = models.PositiveIntegerField(default=0, editable=False)
    attempts_made = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    last_error = models.TextField(_("reason"), blank=True)

    objects = TenantManager()

    class Meta:
        verbose_name = _("delivery of exports")
        verbose_name_plural = _("deliveries of exports")
        ordering = ("-created_at", "-id")
        constraints = (models.UniqueConstraint(fields=["recording", "place"], name="one_delivery_per_place"),)
        indexes = (
            models.Index(fields=["next_attempt_at"], condition=Q(state="pending"), name="exports_due"),
            models.Index(fields=["place", "-created_at", "-id"], name="exports_newest_first"),
        )

    def __str__(self) -> str:
        return f"{self.recording_id} {self.state}"


class Arrival(models.Model):
    """A file or object in the `in/` of a watched place, or an attachment; `version` changes with its content.

        waiting ──accepted──▶ accepted ──moved──▶ done
           │  ▲
           │  └── tried again
           └───refused─────▶ refused ──moved──▶ failed

    While it is one of the first three its place, path and version are unique: however many sweepers see it, and
    wherever one dies, one row stands for it, and `accepted` is written in the transaction that makes the recording.
    It outlives the recording, so that a file that is still to be moved isn't taken for another one. Of an attachment
    `version` is made of the message's id, and `locator` says where the message lies.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        ACCEPTED = "accepted", _("Accepted")
        REFUSED = "refused", _("Refused")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    OPEN = (State.WAITING, State.ACCEPTED, State.REFUSED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    place = models.ForeignKey(Place, models.CASCADE, related_name="arrivals", verbose_name=_("folder or bucket"))
    path = models.CharField(_("name"), max_length=1024)
    version = models.CharField(max_length=200, editable=False)
    locator = models.CharField(max_length=40, blank=True, default="", db_default="", editable=False)
    sender = models.CharField(_("sender"), max_length=254, blank=True, default="", db_default="")
    size = models.PositiveBigIntegerField(_("bytes"), default=0)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    request_id = models.CharField(max_length=REQUEST_ID_LENGTH, blank=True, default="", db_default="", editable=False)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.WAITING)
    fence = models.PositiveIntegerField(default=0, editable=False)
    attempts_made = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    last_error = models.TextField(_("reason"), blank=True)
    recording = models.ForeignKey(
        Recording, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("recording")
    )

    objects = TenantManager()

    class Meta:
        verbose_name = _("file from a watched folder or bucket")
        verbose_name_plural = _("files from watched folders and buckets")
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=["place", "path", "version"],
                condition=Q(state__in=("waiting", "accepted", "refused")),
                name="one_open_arrival_per_file",
            ),
        )
        indexes = (
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state__in=("waiting", "accepted", "refused")),
                name="arrivals_due",
            ),
            models.Index(fields=["place", "-created_at", "-id"], name="arrivals_newest_first"),
        )

    def __str__(self) -> str:
        return f"{self.path} {self.state}"

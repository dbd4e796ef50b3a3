"""A tenant's endpoints, the events sent to them, and the deliveries."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models import Tenant
from tenants.scope import TenantManager
from transcription.request_id import MAX_LENGTH as REQUEST_ID_LENGTH
from transcription.request_id import current as current_request_id


class EventType(models.TextChoices):
    COMPLETED = "transcription.completed", _("A transcription is done")
    FAILED = "transcription.failed", _("A transcription failed")
    CANCELLED = "transcription.cancelled", _("A transcription was cancelled")
    FETCH_FAILED = "fetch.failed", _("A recording could not be fetched from its URL")
    QUOTA_ALERT = "quota.alert", _("A limit is nearly or all used up")
    TEST = "webhook.test", _("A test")


def event_types() -> list[tuple[str, Any]]:
    """Returns the choices of Event.type; as a function, so that a new one needs no migration."""
    return EventType.choices


SUBSCRIBABLE = [kind.value for kind in EventType if kind != EventType.TEST]


class Endpoint(models.Model):
    """A URL to which a tenant's events are sent.

    The secret is not stored: it is derived (see `signing`) from the installation's SECRET_KEY and the `salt`, and its
    digest shows whether the result is still the same.

                 pause, gone (410), failing for three days
        active ─────────────────────────────────────────────▶ paused
           ▲                     resume                          │
           └─────────────────────────────────────────────────────┘

    `failures` and `failing_since` count since the last success; `not_before` delays all deliveries of a failing one.
    """

    class Pause(models.TextChoices):
        BY_HAND = "by_hand", _("Paused by hand")
        GONE = "gone", _("The receiver answered 410 Gone")
        FAILING = "failing", _("The receiver failed for days")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    url = models.CharField(_("URL"), max_length=2000)
    description = models.CharField(_("description"), max_length=200, blank=True)
    events = models.JSONField(_("events"), default=list, blank=True, help_text=_("Empty for all."))
    only_by_rules = models.BooleanField(
        _("only by rules"),
        default=False,
        db_default=False,
        help_text=_("It is told of recordings alone for which a rule says so."),
    )
    salt = models.CharField(max_length=32, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    old_salt = models.CharField(max_length=32, blank=True, editable=False)
    old_digest = models.CharField(max_length=64, blank=True, editable=False)
    old_until = models.DateTimeField(null=True, blank=True, editable=False, help_text="How long the old secret signs.")
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True, editable=False)
    pause = models.CharField(_("why"), max_length=10, choices=Pause.choices, blank=True, editable=False)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    not_before = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ("created_at", "id")
        indexes = (models.Index(fields=["tenant", "created_at"], name="endpoints_of_tenant"),)

    def __str__(self) -> str:
        return self.host

    @property
    def host(self) -> str:
        """The part of the URL that is not secret."""
        return urlsplit(self.url).hostname or str(self.id)

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None

    def wants(self, kind: str, named: Collection[str] = ()) -> bool:
        """`named` are the ids of the endpoints that rules name for the recording."""
        return (not self.events or kind in self.events) and (not self.only_by_rules or str(self.id) in named)


class Event(models.Model):
    """A message; its id stays the same over retries.

    `body` is what is signed and sent, byte for byte. Unique by type and `subject`, so that nothing is sent twice.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    type = models.CharField(_("type"), max_length=40, choices=event_types)
    subject = models.CharField(max_length=64)
    body = models.TextField(_("body"))
    request_id = models.CharField(
        max_length=REQUEST_ID_LENGTH,
        blank=True,
        default=current_request_id,
        db_default="",
        editable=False,
        help_text="Of the HTTP request that it goes back to, for log lines.",
    )
    created_at = models.DateTimeField(_("time"), default=timezone.now, db_index=True)

    objects = TenantManager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = (models.UniqueConstraint(fields=["tenant", "type", "subject"], name="one_event_per_subject"),)

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"

    @property
    def message_id(self) -> str:
        """The value of the header `webhook-id`."""
        return f"evt_{self.id.hex}"


class Delivery(models.Model):
    """An event that is to be sent to an endpoint.

                 2xx
        pending ─────▶ delivered        a replay makes either of them pending again
           │  ▲
           │  └── tried again: backoff over three days
           └── last try ─▶ failed

    A claim moves `next_attempt_at` past its lease and raises `fence`; the outcome is written under that fence.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="deliveries", verbose_name=_("webhook"))
    event = models.ForeignKey(Event, models.CASCADE, related_name="deliveries", verbose_name=_("event"))
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PENDING)
    fence = models.PositiveIntegerField(default=0, editable=False)
    attempts_made = models.PositiveSmallIntegerField(_("attempts"), default=0, help_text=_("Since the last replay."))
    next_attempt_at = models.DateTimeField(_("next attempt"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    last_status = models.PositiveSmallIntegerField(_("status of the answer"), null=True, blank=True)
    last_error = models.CharField(_("error"), max_length=40, blank=True)

    objects = TenantManager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ("-created_at", "-id")
        constraints = (models.UniqueConstraint(fields=["endpoint", "event"], name="one_delivery_per_endpoint"),)
        indexes = (
            models.Index(fields=["endpoint", "next_attempt_at"], condition=Q(state="pending"), name="deliveries_due"),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="deliveries_newest_first"),
            models.Index(fields=["state"], condition=~Q(state="delivered"), name="deliveries_open"),
        )

    def __str__(self) -> str:
        return f"{self.event_id} {self.state}"

    @property
    def request_id(self) -> str:
        return self.event.request_id


class Attempt(models.Model):
    """One attempt at a delivery, as the log shows it."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempts", verbose_name=_("delivery"))
    started_at = models.DateTimeField(_("started"))
    seconds = models.FloatField(_("seconds"))
    status = models.PositiveSmallIntegerField(_("status of the answer"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=40, blank=True)
    response = models.TextField(_("first bytes of the answer"), blank=True)

    objects = TenantManager()

    class Meta:
        verbose_name = _("attempt at a delivery")
        verbose_name_plural = _("attempts at deliveries")
        ordering = ("started_at", "id")

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S} {self.status or self.error}"

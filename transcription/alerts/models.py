"""Alerts with their pauses, who is told, and what they are told."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Alert(models.Model):
    """Something that is amiss, or was.

    pending ──as long as its rule holds──▶ firing ──clear for a while──▶ ended
       └──clear──▶ deleted

    `subject` is the engine or the machine, where the rule is of one. `told_at` is empty until people were told.
    """

    name = models.CharField(_("alert"), max_length=40)
    subject = models.CharField(_("of"), max_length=120, blank=True)
    value = models.FloatField(_("value"), null=True)
    since = models.DateTimeField(_("since"))
    seen_at = models.DateTimeField(help_text="When its rule was last found broken.")
    fired_at = models.DateTimeField(_("fired"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    told_at = models.DateTimeField(null=True)
    end_told_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ("-fired_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=["name", "subject"], name="one_open_alert", condition=Q(ended_at=None)),
        )
        indexes = (models.Index(fields=["-fired_at"], name="alerts_by_time"),)

    def __str__(self) -> str:
        return f"{self.name} {self.subject}".strip()


class Silence(models.Model):
    """An operator pauses an alert until a time: nobody is told, and no banner shows it."""

    name = models.CharField(_("alert"), max_length=40)
    subject = models.CharField(_("of"), max_length=120, blank=True, help_text=_("Empty for all."))
    reason = models.CharField(_("reason"), max_length=200)
    operator = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    operator_email = models.CharField(_("operator’s address"), max_length=254)
    begun_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField(_("until"))
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("pause of an alert")
        verbose_name_plural = _("pauses of alerts")
        ordering = ("-until",)

    def __str__(self) -> str:
        return f"{self.name} {self.subject}".strip()


class Receiver(models.Model):
    """Who is told of alerts: an operator by mail, or a webhook.

    Of a webhook's secret only salt and digest are kept; see transcription.webhooks.signing.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    language = models.CharField(max_length=20, blank=True, help_text="Of the mails.")
    url = models.CharField(max_length=2000, blank=True)
    salt = models.CharField(max_length=32, blank=True)
    digest = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("receiver of alerts")
        verbose_name_plural = _("receivers of alerts")
        ordering = ("created_at", "id")

    def __str__(self) -> str:
        return self.user.email if self.user else self.host

    @property
    def host(self) -> str:
        """The part of the URL that is not secret."""
        return urlsplit(self.url).hostname or ""

    @property
    def last(self) -> Message | None:
        """The last message, sent or not."""
        return Message.objects.filter(receiver=self).order_by("created_at").last()


class Message(models.Model):
    """What a receiver is told; written in the transaction that makes it so. `body` is of a webhook alone."""

    class About(models.TextChoices):
        FIRED = "fired", _("fires")
        STILL = "still", _("still fires, and its pause is over")
        ENDED = "ended", _("is over")
        TEST = "test", _("a test")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    receiver = models.ForeignKey(Receiver, models.CASCADE, related_name="messages")
    alert = models.ForeignKey(Alert, models.CASCADE, null=True, related_name="+")
    about = models.CharField(max_length=5, choices=About.choices)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    next_attempt_at = models.DateTimeField(null=True, db_default=Now(), help_text="Empty: not sent any more.")
    attempts_made = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=40, blank=True)

    class Meta:
        verbose_name = _("message about an alert")
        verbose_name_plural = _("messages about alerts")
        indexes = (models.Index(fields=["next_attempt_at"], name="alert_messages_due", condition=Q(sent_at=None)),)

    def __str__(self) -> str:
        return f"{self.about} {self.alert_id}"


class Evaluation(models.Model):
    """When the alerts were last evaluated: one row, by which one sweeper at a time does it.

    `complete_at` is when all values could be measured. `expects_web` is true once a web process has registered.
    """

    at = models.DateTimeField(null=True)
    complete_at = models.DateTimeField(db_default=Now())
    expects_web = models.BooleanField(db_default=False)

    class Meta:
        verbose_name = _("evaluation of alerts")
        verbose_name_plural = _("evaluations of alerts")

    def __str__(self) -> str:
        return str(self.at)

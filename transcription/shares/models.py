"""Links that show a recording to people without an account, and who opened them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Literal

from django.db import models
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants import mails
from tenants.models import ApiKey, Member, Tenant, User
from tenants.scope import TenantManager
from transcription.models import Recording

LONGEST_LABEL = 100


State = Literal["live", "used_up", "expired", "left", "revoked"]


class Level(models.TextChoices):
    """What a link's holder may do."""

    VIEW = "view", _("Look and listen")
    COMMENT = "comment", _("Comment, too")
    EDIT = "edit", _("Comment and correct, too")


def levels() -> list[tuple[str, Any]]:
    """Returns the choices of Share.level; as a function, so that a new one needs no migration."""
    return Level.choices


class Share(models.Model):
    """A link to a recording. Of its secret only the digest is stored.

                expires_at        ─▶ expired
        live ── most_openings     ─▶ used up: who has opened it stays in for a while
           │    maker leaves      ─▶ left, unless somebody keeps it
           └─── revoke            ─▶ revoked, for good

    It works only while its tenant is active and shares at all, and its recording is not deleted. `start` and `end` are
    the seconds of the excerpt that it gives; None for the whole recording.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    recording = models.ForeignKey(Recording, models.CASCADE, related_name="shares", verbose_name=_("recording"))
    label = models.CharField(_("for whom"), max_length=LONGEST_LABEL, blank=True)
    email = models.EmailField(
        _("guest"), blank=True, default="", db_default="", help_text=_("To whom alone it was sent, by e-mail.")
    )
    level = models.CharField(_("may"), max_length=10, choices=levels, default=Level.VIEW)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    password = models.CharField(max_length=128, blank=True, editable=False, help_text="As Django hashes passwords.")
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, editable=False, related_name="+", verbose_name=_("made by")
    )
    made_by = models.CharField(
        _("made by"), max_length=254, blank=True, editable=False, help_text=_("Also once they are gone.")
    )
    api_key = models.ForeignKey(
        ApiKey, models.SET_NULL, null=True, blank=True, editable=False, related_name="+", verbose_name=_("API key")
    )
    kept_at = models.DateTimeField(
        _("kept"), null=True, editable=False, help_text=_("When somebody decided that it outlives its maker’s leaving.")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    most_openings = models.PositiveIntegerField(_("most openings"), null=True, blank=True)
    openings = models.PositiveIntegerField(_("openings"), default=0, editable=False)
    last_opened_at = models.DateTimeField(_("last opened"), null=True, blank=True, editable=False)
    with_sound = models.BooleanField(_("with sound"), default=True)
    with_download = models.BooleanField(_("with downloads"), default=False)
    origins: models.JSONField[list[str]] = models.JSONField(
        _("sites that may embed it"), default=list, blank=True, help_text=_("As in https://acme.example; empty: none.")
    )
    start = models.FloatField(_("from second"), null=True, blank=True)
    end = models.FloatField(_("to second"), null=True, blank=True)

    language = models.CharField(max_length=20, blank=True, default="", db_default="", editable=False)
    mailed_at = models.DateTimeField(_("e-mailed"), null=True, editable=False)
    mail_attempts = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    mail_after = models.DateTimeField(null=True, editable=False, help_text="When it is to be e-mailed; null: never.")

    sound_key = models.CharField(max_length=255, blank=True, editable=False, help_text="Of its own copy of the sound.")
    sound_struck: models.JSONField[list[list[float]]] = models.JSONField(
        default=list, editable=False, help_text="What was struck out of the recording when it was made."
    )
    sound_track = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="The audio track that is in it, from 1; 0 where there is one only."
    )
    sound_error = models.CharField(_("sound failed"), max_length=40, blank=True, editable=False)
    sound_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    sound_due_at = models.DateTimeField(db_default=Now(), editable=False)
    fence = models.PositiveIntegerField(default=0, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("share link")
        verbose_name_plural = _("share links")
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=["tenant", "-created_at", "-id"], name="shares_newest_first"),
            models.Index(fields=["recording", "-created_at", "-id"], name="shares_of_recording"),
            models.Index(fields=["mail_after"], condition=Q(mail_after__isnull=False), name="shares_to_mail"),
            models.Index(
                fields=["sound_due_at"],
                condition=Q(with_sound=True, revoked_at=None, sound_key="", sound_error=""),
                name="shares_without_their_sound",
            ),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(start=None, end=None) | Q(start__gte=0.0, end__gt=F("start")),
                name="an_excerpt_has_both_ends",
            ),
        )

    def __str__(self) -> str:
        return self.email or self.label or str(self.id)

    @property
    def excerpt(self) -> tuple[float, float] | None:
        """The seconds of the recording that it gives; None for all of it."""
        return None if self.start is None or self.end is None else (self.start, self.end)

    @property
    def asks_first(self) -> bool:
        """Whether its holder sees a page before anything is told or counted."""
        return bool(self.password) or self.most_openings is not None or bool(self.email)

    @property
    def is_unmailable(self) -> bool:
        """Whether the mail with it was refused each time."""
        return self.mailed_at is None and self.mail_attempts >= mails.ATTEMPTS

    @property
    def is_used_up(self) -> bool:
        return self.most_openings is not None and self.openings >= self.most_openings

    @property
    def state(self) -> State:
        """Takes a row of `with_makers`."""
        if self.revoked_at is not None:
            return "revoked"
        if not getattr(self, "maker_stays", True):
            return "left"
        if self.expires_at is not None and self.expires_at <= timezone.now():
            return "expired"
        return "used_up" if self.is_used_up else "live"

    @property
    def request_id(self) -> str:
        """Of no HTTP request: what works on it is the sweeper."""
        return ""


class Visitor(models.Model):
    """Who opened a link: a client address as a keyed digest of it and the link, so that it can't be read back."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    share = models.ForeignKey(Share, models.CASCADE, related_name="visitors", verbose_name=_("share link"))
    digest = models.CharField(max_length=16)
    first_at = models.DateTimeField(_("first"), default=timezone.now)
    last_at = models.DateTimeField(_("last"), default=timezone.now)
    openings = models.PositiveIntegerField(_("openings"), default=1)

    objects = TenantManager()

    class Meta:
        verbose_name = _("visitor")
        verbose_name_plural = _("visitors")
        ordering = ("-last_at", "-id")
        constraints = (models.UniqueConstraint(fields=["share", "digest"], name="one_visitor_per_address"),)

    def __str__(self) -> str:
        return self.digest


def maker_stays() -> Q:
    """Selects the links that are the organisation's own, were kept, or were made by an active member.

    Who left and was invited again is another member, so that their links don't come back with them.
    """
    members = Member.objects.filter(tenant=OuterRef("tenant"), user=OuterRef("created_by"), user__is_active=True)
    members = members.filter(created_at__lte=OuterRef("created_at"))
    return Q(made_by="") | Q(kept_at__isnull=False) | Q(Exists(members))


def with_makers(rows: QuerySet[Share]) -> QuerySet[Share]:
    """Adds the makers, and whether each is still an active member, to the query."""
    stays = models.ExpressionWrapper(maker_stays(), output_field=models.BooleanField())
    return rows.select_related("created_by", "recording").annotate(maker_stays=stays)


def lasting(now: datetime | Now | None = None) -> Q:
    """Selects the links that have not ended by themselves, whether or not they are used up."""
    lasts = Q(expires_at=None) | Q(expires_at__gt=now or timezone.now())
    return Q(revoked_at=None) & lasts & maker_stays()


def open_ones(now: datetime | Now | None = None) -> Q:
    """Selects the links that work, whether or not they are used up: the tenant and the recording must allow it, too."""
    served = Q(tenant__is_active=True, tenant__allows_sharing=True, tenant__quota__includes_sharing=True)
    served &= Q(email="") | Q(tenant__allows_guests=True)
    return lasting(now) & served & Q(recording__deleted_at=None)

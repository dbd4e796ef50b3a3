"""Tenants: customer organisations with their default options."""

from __future__ import annotations

import uuid

from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Mode(models.TextChoices):
    """How a recording is divided for Whisper."""

    AUTO = "auto", _("Automatic")
    EXACT = "exact", _("Exact")
    FAST = "fast", _("Fast")


LONGEST_HOTWORDS = 2000


class Tenant(models.Model):
    """A customer organisation."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=200)
    is_active = models.BooleanField(_("active"), default=True)
    suspended_from = models.DateTimeField(
        _("suspended from"),
        null=True,
        blank=True,
        help_text=_("It is switched off then. Its owners are mailed now, and its members see a banner."),
    )
    changes_until_suspended = models.BooleanField(
        _("adds and changes until then"),
        default=False,
        db_default=False,
        help_text=_("Without this it only reads from now on."),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    deleting_at = models.DateTimeField(
        _("being deleted since"), null=True, editable=False, help_text=_("Everything of it is being erased.")
    )
    audio_retention_days = models.PositiveIntegerField(
        _("days that audio is kept"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(36_500)],
        help_text=_("Counted from the upload; empty keeps it."),
    )
    text_retention_days = models.PositiveIntegerField(
        _("days that text is kept"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(36_500)],
        help_text=_("Counted from its completion; empty keeps it."),
    )
    bin_days = models.PositiveSmallIntegerField(
        _("days that deleted recordings are kept"),
        default=30,
        db_default=30,
        validators=[MaxValueValidator(365)],
        help_text=_(
            "They can be brought back from the bin for so long, and count towards the storage. 0: ten minutes."
        ),
    )
    default_mode = models.CharField(
        _("how recordings are cut"),
        max_length=5,
        choices=Mode.choices,
        default=Mode.AUTO,
        help_text=_(
            "Fast cuts at pauses and works on the pieces side by side: it leaves out the least of what is said. "
            "Exact is Whisper’s own order, one piece after the other, with openai-whisper’s results. Automatic is fast."
        ),
    )
    default_model = models.CharField(
        _("model"),
        max_length=40,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "Recordings go to this model where the caller asks for the default one. Empty, or no longer offered: to "
            "the first one that is offered."
        ),
    )
    short_clip_model = models.CharField(
        _("model for short clips"),
        max_length=40,
        blank=True,
        help_text=_(
            "Clips under 30 seconds go to this model where the caller asks for the default one. Empty, or no longer "
            "offered: to the one for all recordings."
        ),
    )
    languages = models.CharField(
        _("languages spoken here"),
        max_length=400,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "Codes such as en, de or pl, with commas between them: where a request names no language, it is detected "
            "among these. Empty: among all."
        ),
    )
    speakers = models.CharField(
        _("telling speakers apart"),
        max_length=7,
        blank=True,
        default="off",
        db_default="off",
        validators=[RegexValidator(r"^(off|auto|[1-9]\d?(-[1-9]\d?)?)\Z")],
        help_text=_(
            "off; auto, which finds out how many there are; a number; or a range such as 2-4. It takes some of the "
            "processor’s time, so a transcript takes longer."
        ),
    )
    hotwords = models.TextField(
        _("names and terms"),
        max_length=LONGEST_HOTWORDS,
        blank=True,
        help_text=_(
            "Spellings that Whisper is reminded of in every transcription, before those of the request: the most "
            "important first, separated by commas or lines."
        ),
    )
    hears_terms = models.BooleanField(
        _("remind Whisper of the terms"),
        default=False,
        db_default=False,
        help_text=_(
            "In recordings of 30 seconds and more, as far as there is room: first those that are heard wrong. New "
            "terms change what is heard, so that known results are not used again."
        ),
    )
    term_hotwords = models.TextField(
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Those that it is reminded of: transcription.transcripts.terms keeps them.",
    )

    allows_sharing = models.BooleanField(
        _("share links"),
        default=True,
        db_default=True,
        help_text=_(
            "Who may correct transcripts may make links by which people without an account see them. Without this all "
            "links stop at once; with it again, those work that have not ended meanwhile."
        ),
    )
    allows_guests = models.BooleanField(
        _("guests by e-mail"),
        default=True,
        db_default=True,
        help_text=_(
            "Share links may be sent to people by e-mail, each their own. Without this such links stop at once, and "
            "none are sent; other links go on."
        ),
    )
    recognises_voices = models.BooleanField(
        _("naming members by their voices"), default=False, db_default=False, editable=False
    )
    bars_support = models.BooleanField(
        _("support may not enter"),
        default=False,
        db_default=False,
        help_text=_(
            "Whoever runs the portal then can’t act for members to help them. Without this they can for a while, with "
            "a reason, and the audit log says what they did."
        ),
    )
    people_addresses = models.JSONField(
        _("addresses of people"),
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        help_text=_("Addresses and networks that its members may use the portal from; empty: any."),
    )
    second_factor_from = models.DateTimeField(
        _("second factor required from"),
        null=True,
        blank=True,
        help_text=_("From then on members without one reach the page on which they set it up, and nothing else."),
    )

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(deleting_at=None) | models.Q(is_active=False), name="nothing_goes_on_while_deleting"
            ),
        )

    def __str__(self) -> str:
        return self.name

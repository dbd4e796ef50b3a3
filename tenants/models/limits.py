"""What a plan and a tenant's quota have in common: limits and features."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Limits(models.Model):
    """Limits and features. Seconds are audio seconds."""

    monthly_seconds = models.PositiveBigIntegerField(_("audio seconds a month"))
    concurrent = models.PositiveIntegerField(_("transcriptions at once"))
    upload_bytes = models.PositiveBigIntegerField(_("largest upload in bytes"))
    recording_seconds = models.PositiveIntegerField(_("longest recording in seconds"))
    stored_bytes = models.PositiveBigIntegerField(_("stored bytes"))
    requests_per_minute = models.PositiveIntegerField(
        _("API requests a minute"), default=600, validators=[MinValueValidator(1)]
    )
    share = models.PositiveSmallIntegerField(
        _("share"),
        default=1,
        validators=[MinValueValidator(1)],
        help_text=_("Weight in the fair order: a tenant with 2 is given twice the audio seconds of one with 1."),
    )
    includes_sharing = models.BooleanField(
        _("includes share links"),
        default=True,
        db_default=True,
        help_text=_("Without it no links are made, and those that there are stop working until it is included again."),
    )
    includes_voices = models.BooleanField(
        _("includes naming members by their voices"),
        default=True,
        db_default=True,
        help_text=_("Without it nobody enrols or is recognised; voices that are enrolled stay until they are deleted."),
    )

    class Meta:
        abstract = True

"""What operators tell people on the pages: announcements, and that the portal is being worked on."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from tenants.models.tenant import Tenant
from tenants.models.user import User


class InBothLanguages(models.Model):
    text_en = models.CharField(_("text in English"), max_length=500)
    text_zh = models.CharField(_("text in Chinese"), max_length=500)

    class Meta:
        abstract = True

    @property
    @admin.display(description=_("text"))
    def text(self) -> str:
        """The text in the language of the request."""
        return self.text_zh if (get_language() or "").startswith("zh") else self.text_en


class Announcement(InBothLanguages):
    """A banner on the pages of some tenants, or of all, which each person dismisses for themselves."""

    class Level(models.TextChoices):
        INFO = "info", _("Information")
        WARNING = "warn", _("Warning")
        URGENT = "bad", _("Urgent")

    level = models.CharField(_("level"), max_length=4, choices=Level.choices, default=Level.INFO)
    starts_at = models.DateTimeField(pgettext_lazy("announcement", "from"), default=timezone.now)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True, help_text=_("Empty: until it is deleted."))
    for_all = models.BooleanField(_("for all tenants"), default=False, db_default=False)
    tenants = models.ManyToManyField(
        Tenant, blank=True, related_name="+", verbose_name=_("tenants"), help_text=_("Where it is not for all.")
    )

    class Meta:
        verbose_name = _("announcement")
        verbose_name_plural = _("announcements")
        ordering = ("-starts_at",)

    def __str__(self) -> str:
        return self.text

    def clean(self) -> None:
        if self.ends_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": _("This is before it begins.")})


class Dismissal(models.Model):
    """Somebody has read an announcement."""

    announcement = models.ForeignKey(Announcement, models.CASCADE, related_name="dismissals")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")

    class Meta:
        verbose_name = _("dismissal")
        verbose_name_plural = _("dismissals")
        constraints = (models.UniqueConstraint(fields=["announcement", "user"], name="one_dismissal_a_person"),)

    def __str__(self) -> str:
        return f"{self.announcement_id} {self.user_id}"


class Maintenance(InBothLanguages):
    """While there is one that has not ended, people and programs read, and change nothing."""

    started_at = models.DateTimeField(_("began"), default=timezone.now, editable=False)
    expected_end = models.DateTimeField(_("expected end"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, editable=False)

    class Meta:
        verbose_name = _("maintenance")
        verbose_name_plural = _("maintenance")
        ordering = ("-started_at",)
        indexes = (models.Index(fields=["started_at"], name="maintenance_on", condition=models.Q(ended_at=None)),)
        constraints = (
            models.UniqueConstraint(
                models.ExpressionWrapper(models.Q(ended_at=None), models.BooleanField()),
                name="one_maintenance_at_once",
                condition=models.Q(ended_at=None),
            ),
        )

    def __str__(self) -> str:
        return self.text

"""The corrections of transcripts, and the machine's original text."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models import ApiKey, Tenant, User
from tenants.scope import TenantManager


class MachineText(models.Model):
    """A transcription as the engine produced it. Created with the first correction and never changed."""

    transcription = models.OneToOneField(
        "transcription.Transcription", models.CASCADE, primary_key=True, related_name="machine_text"
    )
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    text = models.TextField()
    segments: models.JSONField[list[dict[str, Any]]] = models.JSONField()
    names: models.JSONField[dict[str, str]] = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField()), help_text="Of its speakers, by index."
    )

    objects = TenantManager()

    class Meta:
        verbose_name = _("machine's text")
        verbose_name_plural = _("machine's texts")

    def __str__(self) -> str:
        return f"{self.transcription_id}"

    def numbered(self) -> list[dict[str, Any]]:
        """Returns the fields of the segments with their indexes."""
        return [{"index": index, **fields} for index, fields in enumerate(self.segments)]

    @property
    def speaker_names(self) -> dict[int, str]:
        return {int(index): name for index, name in self.names.items()}


class Revision(models.Model):
    """A correction, which replaced the segments `before` by `added` segments, from index `first` on.

    `changed` are the former fields, by index, of segments that it changed in their places, with none of `before`;
    `speakers` are the former speakers, by the index of the segment, of segments that it only gave to another one;
    `names` the former names of speakers that it renamed, by the speaker's index.
    `series` is the same in what was made together, and in what undid it.
    `number` is the transcription's `revision` after it. The oldest are deleted beyond a limit: see editing.py.
    """

    class Action(models.TextChoices):
        EDIT = "edit", _("Edited")
        REMOVE = "remove", _("Removed")
        SPLIT = "split", _("Split")
        MERGE = "merge", _("Merged")
        REPLACE = "replace", _("Replaced")
        REVERT = "revert", _("Reverted")
        SPEAKER = "speaker", _("Given to a speaker")
        JOIN = "join", _("Speakers merged")
        RENAME = "rename", _("Speaker renamed")
        SHIFT = "shift", _("Times shifted")
        SUBSTITUTE = "substitute", _("Found and replaced")
        TERMS = "terms", _("Terms replaced")
        REHEAR = "rehear", _("Heard again")
        STRIKE = "strike", _("Struck out")
        UNSTRIKE = "unstrike", _("Strike taken back")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    transcription = models.ForeignKey("transcription.Transcription", models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    action = models.CharField(max_length=10, choices=Action.choices)
    made_at = models.DateTimeField(default=timezone.now)
    made_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="+")
    guest = models.CharField(
        max_length=254, blank=True, default="", db_default="", help_text="Who made it by a share link, and by which."
    )
    first = models.PositiveIntegerField()
    added = models.PositiveIntegerField()
    before: models.JSONField[list[dict[str, Any]]] = models.JSONField()
    changed: models.JSONField[dict[str, dict[str, Any]]] = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField())
    )
    names: models.JSONField[dict[str, str]] = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField())
    )
    speakers: models.JSONField[dict[str, int | None]] = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField())
    )
    struck: models.JSONField[dict[str, list[list[float]]]] = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        help_text="Seconds that it struck out of the recording, `added`, and that it gave back, `removed`.",
    )
    size = models.PositiveIntegerField(help_text="Characters of what is kept here.")
    series = models.UUIDField(
        null=True, editable=False, help_text="Of revisions of several transcripts that were made together."
    )

    objects = TenantManager()

    class Meta:
        verbose_name = _("revision")
        verbose_name_plural = _("revisions")
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(fields=["transcription", "number"], name="one_change_per_revision_number"),
        )
        indexes = (
            models.Index(
                fields=["tenant", "series"], name="revisions_of_a_series", condition=models.Q(series__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return f"{self.number}: {self.get_action_display()}"

    @property
    def author(self) -> str:
        """The name of the user, key or guest that made it; empty if user and key have been deleted."""
        return str(self.made_by or (self.api_key.name if self.api_key else self.guest))

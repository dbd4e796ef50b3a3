"""The speakers of a transcription, and what is kept while they are being told apart."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants.models import Member, Tenant
from tenants.scope import TenantManager

COLOURS = 8
LONGEST_NAME = 80


class Speaker(models.Model):
    """A speaker of a transcription; `Segment.speaker` is an `index`, from 0 by first appearance.

    A row without segments stays, because a correction that took them away can be undone. `colour` is one of COLOURS of
    the page. `recognised` is the member whose voice the name comes from, until somebody writes another name.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    transcription = models.ForeignKey(
        "transcription.Transcription",
        models.CASCADE,
        related_name="speaker_set",
        verbose_name=gettext_lazy("transcription"),
    )
    index = models.PositiveSmallIntegerField()
    name = models.CharField(gettext_lazy("name"), max_length=LONGEST_NAME, blank=True, default="")
    colour = models.PositiveSmallIntegerField(default=0)
    recognised = models.ForeignKey(
        Member, models.SET_NULL, null=True, related_name="+", verbose_name=gettext_lazy("recognised by the voice")
    )

    objects = TenantManager()

    class Meta:
        verbose_name = gettext_lazy("speaker")
        verbose_name_plural = gettext_lazy("speakers")
        ordering = ("index",)
        constraints = (models.UniqueConstraint(fields=["transcription", "index"], name="one_speaker_per_index"),)

    def __str__(self) -> str:
        return self.label

    @classmethod
    def numbered(cls, transcription: Any, index: int, name: str = "") -> Speaker:
        """Returns an unsaved speaker with the colour of its index."""
        return cls(
            tenant_id=transcription.tenant_id,
            transcription=transcription,
            index=index,
            name=name,
            colour=index % COLOURS,
        )

    @property
    def label(self) -> str:
        """The name, or “Speaker 1” and so on."""
        return self.name or _("Speaker %(number)d") % {"number": self.index + 1}


class KnownSpeaker(models.Model):
    """A voice by which a speaker of a transcription is named: mono s16le at 16 kHz, a few seconds.

    It is deleted when the transcription ends, and never compared with another recording.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    transcription = models.ForeignKey("transcription.Transcription", models.CASCADE, related_name="known_speakers")
    number = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=LONGEST_NAME)
    pcm = models.BinaryField()

    objects = TenantManager()

    class Meta:
        verbose_name = gettext_lazy("known speaker")
        verbose_name_plural = gettext_lazy("known speakers")
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(fields=["transcription", "number"], name="one_known_speaker_per_number"),
        )

    def __str__(self) -> str:
        return self.name


class DiarizationCheckpoint(models.Model):
    """What an interrupted search for speakers goes on from. Holds voices: it is deleted when the transcription ends."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    transcription = models.ForeignKey(
        "transcription.Transcription", models.CASCADE, related_name="diarization_checkpoints"
    )
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    objects = TenantManager()

    class Meta:
        verbose_name = gettext_lazy("checkpoint of speakers")
        verbose_name_plural = gettext_lazy("checkpoints of speakers")
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=["transcription", "number"], name="one_checkpoint_per_number"),)

    def __str__(self) -> str:
        return f"{self.transcription_id} {self.number}"

"""Recordings: the media of tenants."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models import ApiKey, Tenant, User
from tenants.scope import TenantManager
from transcription.models.folder import Folder

if TYPE_CHECKING:
    from transcription.models.tag import Tag
    from transcription.models.transcription import Transcription


class Way(models.TextChoices):
    """How a recording came, more exactly than its source."""

    PORTAL = "portal", _("The portal’s pages")
    API = "api", _("The API, as a file")
    URL = "url", _("The API, by its URL")
    TUS = "tus", _("The API, as a resumable upload")
    WATCHED = "watched", _("A watched folder or bucket")
    MAIL = "mail", _("E-mail")


class Recording(models.Model):
    """A media file that a tenant uploaded or had fetched."""

    class Source(models.TextChoices):
        UPLOAD = "upload", _("Upload")
        MICROPHONE = "microphone", _("Microphone")
        API = "api", _("API")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="recordings", verbose_name=_("tenant"))
    name = models.CharField(_("name"), max_length=255)
    source = models.CharField(_("source"), max_length=10, choices=Source.choices)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, verbose_name=_("uploaded by"))
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, blank=True, verbose_name=_("API key"))
    folder = models.ForeignKey(
        Folder,
        models.RESTRICT,
        null=True,
        blank=True,
        db_index=False,
        related_name="recordings",
        verbose_name=_("folder"),
        help_text=_("All members see a recording that is in none."),
    )
    created_at = models.DateTimeField(_("uploaded"), default=timezone.now, editable=False)
    changed_at = models.DateTimeField(
        _("changed"), null=True, editable=False, help_text=_("When its text last came or was corrected.")
    )
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)
    deleted_by = models.CharField(max_length=254, blank=True, default="", db_default="", editable=False)
    erase_at = models.DateTimeField(
        null=True, editable=False, help_text="When it goes from the bin for good; of what old code deleted, unknown."
    )
    held_at = models.DateTimeField(_("on legal hold since"), null=True, editable=False)
    held_by = models.CharField(
        _("put on hold by"), max_length=254, blank=True, default="", db_default="", editable=False
    )
    hold_reason = models.CharField(
        _("reason of the hold"), max_length=300, blank=True, default="", db_default="", editable=False
    )
    audio_deleted_at = models.DateTimeField(
        _("audio deleted"), null=True, blank=True, editable=False, help_text=_("By the tenant's retention.")
    )

    way = models.CharField(
        _("way in"), max_length=10, choices=Way.choices, blank=True, default="", db_default="", editable=False
    )
    sender = models.CharField(
        _("sender"), max_length=254, blank=True, default="", db_default="", editable=False, help_text=_("Of an e-mail.")
    )
    keeps_audio_days = models.PositiveIntegerField(
        _("days that its audio is kept"), null=True, blank=True, help_text=_("By a rule; empty for the tenant’s.")
    )
    keeps_text_days = models.PositiveIntegerField(
        _("days that its text is kept"), null=True, blank=True, help_text=_("By a rule; empty for the tenant’s.")
    )
    ruled: models.JSONField[dict[str, Any]] = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        editable=False,
        help_text="The rules that held when it came, and the webhooks that they name: transcription.rules.",
    )

    storage_key = models.CharField(max_length=255, editable=False)
    playback_key = models.CharField(max_length=255, blank=True, editable=False)
    format = models.CharField(_("format"), max_length=60, help_text=_("ffmpeg's name of the container."))
    codec = models.CharField(_("codec"), max_length=40, blank=True)
    bytes = models.PositiveBigIntegerField(_("bytes"))
    sha256 = models.CharField("SHA-256", max_length=64)
    duration_seconds = models.FloatField(_("duration in seconds"))
    audio_tracks = models.JSONField(
        default=list,
        blank=True,
        editable=False,
        help_text="As transcription.options.audio_tracks describes them.",
    )
    audio_track = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="From 1: the one that is transcribed where none is asked for; 0 where nobody has looked yet.",
    )
    track_copies = models.JSONField(
        default=dict, blank=True, editable=False, help_text="Of several tracks: the copy for browsers, by number."
    )
    struck: models.JSONField[list[list[float]]] = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        editable=False,
        help_text="Seconds from and to, in order, that are kept from what goes out: transcription.strikes.",
    )
    peaks = models.JSONField(default=list, blank=True, editable=False, help_text="Loudness, 0 to 100, evenly in time.")

    objects = TenantManager()

    class Meta:
        verbose_name = _("recording")
        verbose_name_plural = _("recordings")
        indexes = (
            models.Index(fields=["tenant", "-created_at"], name="recordings_newest_first"),
            models.Index(
                fields=["tenant", "-created_at", "-id"],
                condition=~Q(source="api") & Q(deleted_at__isnull=True),
                name="recordings_by_people",
            ),
            models.Index(
                fields=["tenant", "-created_at", "-id"],
                condition=Q(source="api", deleted_at__isnull=True),
                name="recordings_by_programs",
            ),
            models.Index(
                "tenant", Coalesce("changed_at", "created_at").desc(), F("id").desc(), name="recordings_last_changed"
            ),
            models.Index("tenant", Lower("name"), "id", name="recordings_by_name"),
            models.Index(fields=["tenant", "-duration_seconds", "-id"], name="recordings_longest_first"),
            models.Index(
                fields=["tenant", "erase_at"], condition=Q(deleted_at__isnull=False), name="recordings_in_the_bin"
            ),
            models.Index(fields=["folder", "-created_at", "-id"], name="recordings_of_a_folder"),
            models.Index(
                fields=["tenant", "keeps_audio_days"],
                condition=Q(keeps_audio_days__isnull=False),
                name="recordings_own_audio_days",
            ),
            models.Index(
                fields=["tenant", "keeps_text_days"],
                condition=Q(keeps_text_days__isnull=False),
                name="recordings_own_text_days",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def note_change(recording_id: uuid.UUID) -> None:
        """Call it in each transaction that changes a text, with its transcription locked."""
        Recording.objects.filter(id=recording_id).update(changed_at=timezone.now())

    @property
    def copies(self) -> list[str]:
        """The storage keys of all copies for browsers."""
        return [key for key in (self.playback_key, *self.track_copies.values()) if key]

    @property
    def media_keys(self) -> list[str]:
        """The storage keys of all that is stored of it, with what was cut for share links, by a query."""
        cut = self.shares.exclude(sound_key="").values_list("sound_key", flat=True)
        return [self.storage_key, *self.copies, *cut]

    @property
    def tags(self) -> list[Tag]:
        """In the order of the alphabet; without a query if `taggings` is prefetched with its tags."""
        return sorted((tagging.tag for tagging in self.taggings.all()), key=lambda tag: tag.folded)

    @property
    def latest(self) -> Transcription | None:
        """The transcription of its own that was made, or chosen again, last; without a query if they are prefetched."""
        main = [row for row in self.transcriptions.all() if row.is_main]
        return next(iter(sorted(main, key=lambda t: (t.shown_at, t.id), reverse=True)), None)


class Loudness(models.Model):
    """A recording's loudness in more detail than its `peaks`: a byte for each block of 50 ms, 255 for full scale.

    It stands in a table of its own, since it has 72 KB for an hour and few ask for it. Recordings that were transcribed
    before there was any, or whose text was reused, have none.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    recording = models.OneToOneField(Recording, models.CASCADE, related_name="+")
    blocks = models.BinaryField()

    objects = TenantManager()

    class Meta:
        verbose_name = _("loudness")
        verbose_name_plural = _("loudness")

    def __str__(self) -> str:
        return f"{self.recording_id}"

"""Transcriptions, the attempts at them, and their segments."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models import Mode, Tenant
from tenants.scope import TenantManager
from transcription.models.recording import Recording
from transcription.request_id import MAX_LENGTH as REQUEST_ID_LENGTH
from transcription.request_id import current as current_request_id

MAX_BEAMS = 10
HEARD_AROUND = 0.2  # seconds, on both sides of lines that are heard again

WHOLE = Q(rehears=None)
"""Selects transcriptions of whole recordings."""

MAIN = WHOLE & Q(translates=None)
"""Selects those of them that are a recording's own text, not a translation beside it."""

SHOWN_AT = Coalesce("chosen_at", "created_at")
LATEST_FIRST = (SHOWN_AT.desc(), "-id")
"""The first one of a recording's MAIN transcriptions is its latest: the one that was made, or chosen again, last."""


class Status(models.TextChoices):
    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Transcribing")
    COMPLETED = "completed", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class Lane(models.IntegerChoices):
    """The priority of a transcription."""

    INTERACTIVE = 0, _("interactive")
    STANDARD = 1, _("standard")
    BULK = 2, _("bulk")

    @property
    def key(self) -> str:
        """The untranslated name, for Redis, the API and metrics."""
        return self.name.lower()


class Task(models.TextChoices):
    TRANSCRIBE = "transcribe", _("Transcribe")
    TRANSLATE = "translate", _("Translate to English")


class Stage(models.TextChoices):
    """What a transcription is waiting for, or worked on, at a time. Stored in Attempt.stages and StageTime."""

    RECEIVE = "receive", _("Receive")
    PROBE = "probe", _("Check")
    STORE = "store", _("Store")
    QUEUE = "queue", _("Wait")
    LOAD = "load", _("Get the file")
    DECODE = "decode", _("Decode")
    ENGINE = "engine", _("Engine")
    SPEAKERS = "speakers", _("Tell speakers apart")
    COPY = "copy", _("Copy for the player")
    SAVE = "save", _("Save")
    DELIVER = "deliver", _("Webhook")
    WHOLE = "whole", _("From request to text")


class Transcription(models.Model):
    """A transcription of a recording with given options; or of a range of one, which `rehears` another one's lines.

    One that `translates` another one stands beside it and never takes its place, however new it is.

                  claim                      complete
        queued ───────────▶ running ─────────────────────▶ completed
          ▲ │                │ │ │
          │ │ cancel         │ │ └── fail: can't succeed,
          │ │                │ │     or the third attempt ─▶ failed
          │ └─────▶ cancelled ◀┘ cancel
          │                  │
          └──────────────────┘  fail: try again after a delay,
                                lease expired, handed back

    Only transcription.queue.claims and transcription.queue.lifecycle change `status`, always by compare-and-swap on
    (status, fence). `fence` grows with each claim; a write of an attempt is conditional on it and on its lease.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="transcriptions", verbose_name=_("tenant"))
    recording = models.ForeignKey(Recording, models.CASCADE, related_name="transcriptions", verbose_name=_("recording"))
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    model = models.CharField(_("model"), max_length=40)
    task = models.CharField(_("task"), max_length=10, choices=Task.choices, default=Task.TRANSCRIBE)
    language = models.CharField(_("language asked for"), max_length=10, blank=True, help_text=_("Empty to detect."))
    prompt = models.TextField(_("prompt"), blank=True)
    temperature = models.FloatField(
        _("temperature"), default=0.0, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)]
    )
    word_timestamps = models.BooleanField(_("word timestamps"), default=False)
    mode = models.CharField(_("mode"), max_length=5, choices=Mode.choices, default=Mode.AUTO)
    hotwords = models.TextField(
        _("names and terms"), blank=True, help_text=_("The organisation's and the request's, with commas.")
    )
    folder_hotwords = models.TextField(default="", db_default="", editable=False)
    """Those of `hotwords` that only the terms of the recording's folder have: they leave it with no recording."""
    beam_size = models.PositiveSmallIntegerField(
        _("beams"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_BEAMS)],
        help_text=_("Above 1: a beam search, where the temperature is 0."),
    )
    audio_track = models.PositiveSmallIntegerField(
        _("audio track asked for"), default=0, db_default=0, help_text=_("From 1; 0 to choose.")
    )
    speakers = models.CharField(
        _("speakers"),
        max_length=7,
        default="off",
        db_default="off",
        help_text=_("off, auto, a number, or a range such as 2-4."),
    )
    languages = models.CharField(
        _("languages to choose from"),
        max_length=400,
        blank=True,
        default="",
        db_default="",
        help_text=_("Codes, with commas between them: detection is limited to these."),
    )
    lane = models.PositiveSmallIntegerField(_("lane"), choices=Lane.choices, default=Lane.STANDARD)
    request_id = models.CharField(
        max_length=REQUEST_ID_LENGTH,
        blank=True,
        default=current_request_id,
        db_default="",
        editable=False,
        help_text="Of the HTTP request that asked for it, for log lines.",
    )
    intake_seconds: models.JSONField[dict[str, float]] = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        editable=False,
        help_text="How long the stages before it was created took, in order.",
    )
    audio_seconds = models.FloatField(default=0.0, editable=False, help_text="Its weight in the fair order.")
    fingerprint = models.CharField(
        max_length=64, blank=True, editable=False, help_text="SHA-256 of the content and the options."
    )
    someone_waits = models.BooleanField(default=False, editable=False, help_text="A synchronous request asked for it.")
    waiters = models.PositiveIntegerField(
        null=True,
        editable=False,
        help_text="Requests that wait for it; null where it is finished whoever waits: transcription.intake.waiters.",
    )
    cancel_at = models.DateTimeField(null=True, editable=False, help_text="When it is cancelled if nobody waits then.")

    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.QUEUED)
    fence = models.PositiveIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True, editable=False)
    worker = models.CharField(_("worker"), max_length=120, blank=True, editable=False)
    not_before = models.DateTimeField(_("not before"), db_default=Now(), editable=False)
    attempts_made = models.PositiveSmallIntegerField(_("attempts"), default=0, editable=False)
    started_at = models.DateTimeField(_("started"), null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True, editable=False)
    processing_seconds = models.FloatField(_("processing time in seconds"), null=True, blank=True, editable=False)
    error_code = models.CharField(_("error"), max_length=40, blank=True, editable=False)
    error_message = models.TextField(_("reason"), blank=True, editable=False)

    saved_seconds = models.FloatField(default=0.0, editable=False, help_text="End of the last saved window.")
    resume = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="What the engine needs to go on after the last saved window.",
    )
    sequence = models.PositiveIntegerField(default=0, editable=False, help_text="Number of the last event.")
    detected_language = models.CharField(_("language"), max_length=10, blank=True, editable=False)
    heard_languages: models.JSONField[dict[str, float]] = models.JSONField(
        _("languages heard"),
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        editable=False,
        help_text=_("Seconds of text by code."),
    )
    missed_speech: models.JSONField[list[tuple[float, float]]] = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        editable=False,
        help_text="Seconds from and to, where the engine is sure of speech and heard no text.",
    )
    finding_speakers = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="The text is there; who says what is worked out."
    )
    speakers_error = models.TextField(
        _("why speakers were not told apart"), blank=True, default="", db_default="", editable=False
    )
    doubtful_words = models.FloatField(
        default=0.0, db_default=0.0, editable=False, help_text="How many of the machine's words are probably wrong."
    )
    checked: models.JSONField[dict[str, Any]] = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        editable=False,
        help_text="What people have checked of the text: transcription.transcripts.checks.",
    )
    checked_share = models.FloatField(
        default=0.0, db_default=0.0, editable=False, help_text="Of the words, 0.0 to 1.0, that people have checked."
    )
    text = models.TextField(_("text"), blank=True, editable=False)
    warnings = models.JSONField(
        _("warnings"), default=list, blank=True, editable=False, help_text=_("Codes of transcription.media.warnings.")
    )
    model_version = models.CharField(_("model version"), max_length=120, blank=True, editable=False)
    is_reused = models.BooleanField(
        _("reused"),
        default=False,
        db_default=False,
        editable=False,
        help_text=_("Answered by another one's result, and charged nothing."),
    )
    reused_from = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, editable=False, related_name="+", verbose_name=_("reused from")
    )
    text_deleted_at = models.DateTimeField(
        _("text deleted"), null=True, blank=True, editable=False, help_text=_("By the tenant's retention.")
    )
    chosen_at = models.DateTimeField(
        _("chosen again"), null=True, editable=False, help_text=_("When it became its recording’s latest once more.")
    )
    rehears = models.ForeignKey(
        "self",
        models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="rehearings",
        verbose_name=_("hears again a range of"),
    )
    translates = models.ForeignKey(
        "self",
        models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="translations",
        verbose_name=_("stands as a translation beside"),
    )
    range_start = models.FloatField(default=0.0, db_default=0.0, editable=False, help_text="Of the lines, in seconds.")
    range_end = models.FloatField(default=0.0, db_default=0.0, editable=False)
    range_tag = models.CharField(
        max_length=16, blank=True, default="", db_default="", editable=False, help_text="Of the lines at the request."
    )
    revision = models.PositiveIntegerField(
        default=0,
        db_default=0,  # workers of the version before go on while the portal is upgraded
        editable=False,
        help_text="Number of the last correction; 0 where the text is the machine's.",
    )

    objects = TenantManager()

    class Meta:
        verbose_name = _("transcription")
        verbose_name_plural = _("transcriptions")
        ordering = ("-created_at",)
        indexes = (
            models.Index(
                fields=["tenant", "lane", "created_at", "id"],
                condition=Q(status="queued"),
                name="transcriptions_waiting",
            ),
            models.Index(fields=["created_at", "id"], condition=Q(status="queued"), name="transcriptions_by_turn"),
            models.Index(fields=["tenant", "fingerprint"], name="transcriptions_by_content"),
            models.Index(fields=["created_at"], name="transcriptions_by_arrival"),
            models.Index(fields=["lease_until"], condition=Q(status="running"), name="transcriptions_leased"),
            models.Index(fields=["cancel_at"], condition=Q(waiters=0), name="transcriptions_forsaken"),
            models.Index(fields=["tenant", "status"], name="transcriptions_by_status"),
            models.Index(fields=["finished_at"], condition=Q(status="completed"), name="transcriptions_finished"),
            models.Index(fields=["finished_at"], condition=Q(status="failed"), name="transcriptions_failed"),
        )

    def __str__(self) -> str:
        return f"{self.recording_id} {self.status}"

    @property
    def is_main(self) -> bool:
        """Whether it is a text of its own: MAIN."""
        return self.rehears_id is None and self.translates_id is None

    @property
    def shown_at(self) -> datetime:
        """When it was made, or chosen again: SHOWN_AT."""
        return self.chosen_at or self.created_at

    @property
    def percent(self) -> int:
        if self.status == Status.COMPLETED:
            return 100
        begin, end = self.heard_range or (0.0, self.recording.duration_seconds)
        duration = end - begin
        return min(99, int(100 * self.saved_seconds / duration)) if duration > 0 else 0

    @property
    def heard_range(self) -> tuple[float, float] | None:
        """The seconds of the recording that a rehearing hears, with some sound around its lines; None for all of it.

        A rehearing's own times count from its first second.
        """
        if self.rehears_id is None:
            return None
        return max(0.0, self.range_start - HEARD_AROUND), self.range_end + HEARD_AROUND

    @property
    def mode_taken(self) -> str:
        """The mode that the engine chose; empty before the first window."""
        return str(self.resume.get("mode", ""))

    @property
    def audio_track_taken(self) -> int:
        """The number of the transcribed track; 0 while it is unknown."""
        return self.audio_track or self.recording.audio_track

    @property
    def is_over(self) -> bool:
        return self.status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


class Attempt(models.Model):
    """One attempt at a transcription, kept for operators."""

    class Outcome(models.TextChoices):
        RUNNING = "running", _("Running")
        COMPLETED = "completed", _("Done")
        FAILED = "failed", _("Failed")
        LOST = "lost", _("Worker died")
        ABANDONED = "abandoned", _("Machine went away")
        HANDED_BACK = "handed_back", _("Handed back")
        CANCELLED = "cancelled", _("Cancelled")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    transcription = models.ForeignKey(
        Transcription, models.CASCADE, related_name="attempts", verbose_name=_("transcription")
    )
    fence = models.PositiveIntegerField(_("fence"))
    worker = models.CharField(_("worker"), max_length=120)
    started_at = models.DateTimeField(_("started"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome.choices, default=Outcome.RUNNING)
    error = models.TextField(_("error"), blank=True)
    reached_seconds = models.FloatField(default=0.0, editable=False, help_text="What was saved when it ended.")
    stages: models.JSONField[dict[str, list[float]]] = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        editable=False,
        help_text="As transcription.stopwatch measured them; empty where its worker did not end it itself.",
    )

    objects = TenantManager()

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ("fence",)
        constraints = (models.UniqueConstraint(fields=["transcription", "fence"], name="one_attempt_per_fence"),)
        indexes = (models.Index(fields=["started_at"], name="attempts_by_start"),)

    def __str__(self) -> str:
        return f"{self.fence}: {self.get_outcome_display()}"


class Segment(models.Model):
    """A timed part of the text. Times are seconds of the recording; the other figures are Whisper's."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    transcription = models.ForeignKey(Transcription, models.CASCADE, related_name="segments")
    index = models.PositiveIntegerField()
    start = models.FloatField()
    end = models.FloatField()
    text = models.TextField()
    seek = models.PositiveIntegerField(default=0, help_text="Start of its window, in frames of 10 ms.")
    tokens = models.JSONField(default=list)
    temperature = models.FloatField(default=0.0)
    avg_logprob = models.FloatField(default=0.0)
    compression_ratio = models.FloatField(default=0.0)
    no_speech_prob = models.FloatField(default=0.0)
    non_speech_share = models.FloatField(
        default=0.0, db_default=0.0, help_text="Of its time, in which the voice detector hears nobody."
    )
    words: models.JSONField[list[dict[str, Any]]] = models.JSONField(default=list)
    language = models.CharField(max_length=10, blank=True, default="", db_default="", help_text="Of its window.")
    speaker = models.PositiveSmallIntegerField(null=True, help_text="The index of its Speaker; null if unknown.")
    overlap = models.BooleanField(default=False, db_default=False, help_text="Somebody else speaks at the same time.")
    revision = models.PositiveIntegerField(
        default=0, db_default=0, help_text="The correction that put it here; 0 for the machine."
    )
    corrected = models.BooleanField(default=False, db_default=False, help_text="A person wrote its text.")

    checks: models.JSONField[list[list[Any]]] = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        help_text="Characters of the trimmed text, from and to, who checked them, and when: transcripts.checks.",
    )

    objects = TenantManager()

    class Meta:
        ordering = ("index",)
        constraints = (models.UniqueConstraint(fields=["transcription", "index"], name="one_segment_per_index"),)

    def __str__(self) -> str:
        return self.text

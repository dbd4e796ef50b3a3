"""Asks for lines of a transcript to be heard again: in the queue, on the month's quota, once for the same options."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from tenants import quota
from tenants.access import Actor
from transcription.engine.types import Span
from transcription.errors import InvalidOption
from transcription.folders.visibility import among
from transcription.intake import commit, deduplicate
from transcription.intake.request import INTERACTIVE_SECONDS, CallContext, TranscriptionRequest
from transcription.library import retention
from transcription.models import Lane, Recording, Status, Transcription
from transcription.options import engines
from transcription.options.options import OPTIONS, TranscriptionOptions
from transcription.options.speakers import OFF
from transcription.transcripts import editing, rehearing
from transcription.transcripts.rehearing import Lines

CHOICES = ("model", "language", "prompt", "beam_size")
"""The options that may differ from those of the transcript."""

SOON_DECODED_SECONDS = 1800
"""A recording is decoded from its beginning: what comes later waits with recordings, not with short clips."""


@dataclass(frozen=True, kw_only=True)
class RehearingRequest(TranscriptionRequest):
    """A request for a range of a transcript's sound. Its options are complete: the transcript's, but for CHOICES."""

    rehears: Transcription
    range: Span
    tag: str

    @cached_property
    def options_by_fingerprint(self) -> dict[str, TranscriptionOptions]:
        return {self.options.fingerprint(self.content_sha256): self.options}

    def options_for(self, recording: Recording) -> TranscriptionOptions:
        return self.options

    def new_transcription(self, recording: Recording, options: TranscriptionOptions) -> Transcription:
        row = super().new_transcription(recording, options)
        row.rehears, row.range_tag = self.rehears, self.tag
        row.lane = options.lane if self.range[1] <= SOON_DECODED_SECONDS else Lane.STANDARD
        row.range_start, row.range_end = self.range
        row.audio_seconds = _heard_seconds(row)
        return row


def ask(
    actor: Actor,
    transcription_id: UUID,
    where: Lines | Span,
    sent: Mapping[str, Any],
    call: CallContext | None = None,
) -> Transcription:
    """Queues the lines of two indexes, or the seconds between two times, to be heard again, and returns the rehearing.

    One of the same lines, as they are, under the same options answers: charged nothing as long as it has a text or
    is on its way. Raises Http404, NotCompleted, TextDeleted, InvalidOption and Refused.
    """
    actor.require("recordings.create")
    actor.require("transcripts.edit")
    row = editing.transcript(actor, transcription_id)
    among(actor, row.recording.folder).require("transcripts.edit")
    start, end = _range(row, where)
    if end - start > INTERACTIVE_SECONDS:
        message = _("At most %(n)d minutes are heard again at once. Choose fewer lines, or transcribe all of it again.")
        raise InvalidOption("last", message % {"n": INTERACTIVE_SECONDS // 60})
    tag = rehearing.tag_of(rehearing.lines_of(row, start, end))
    content = hashlib.sha256(f"{row.recording.sha256} {row.id} {start:.3f}-{end:.3f} {tag}".encode()).hexdigest()
    request = RehearingRequest(
        actor, _options(row, sent), call or CallContext(), content, rehears=row, range=(start, end), tag=tag
    )

    def insert() -> Transcription:
        if heard := _heard_before(request):
            return heard
        recording = retention.recording_with_audio(row)
        if unfinished := deduplicate.find_unfinished(request, recording):
            return unfinished
        new = request.new_transcription(recording, request.options)
        return commit.queue(request, recording, quota.billed_seconds(_heard_seconds(new)))

    return commit.commit(request, insert)


def _heard_before(request: RehearingRequest) -> Transcription | None:
    """Returns the newest text of the same lines under the same options, at any temperature.

    It is of a model's version that an engine serves, or of any one while there is no engine.
    """
    texts = Transcription.objects.filter(rehears=request.rehears, status=Status.COMPLETED, text_deleted_at=None)
    if versions := engines.versions_of(request.options.model):
        texts = texts.filter(model_version__in=versions)
    return texts.filter(fingerprint__in=request.options_by_fingerprint).order_by("-finished_at").first()


def _range(row: Transcription, where: Lines | Span) -> Span:
    """Raises Http404 and InvalidOption."""
    if isinstance(where, Lines):
        return rehearing.range_of(row, where)
    start, end = where
    if not 0 <= start < end <= (row.saved_seconds or row.recording.duration_seconds):
        message = _("What is to be heard again must end after it starts, and lie within the recording.")
        raise InvalidOption("start", message)
    if rehearing.lines_cut(row, start, end).exists():
        raise InvalidOption("start", _("Lines begin or end outside of what is to be heard again. Take whole lines."))
    return where


def _options(row: Transcription, sent: Mapping[str, Any]) -> TranscriptionOptions:
    """Returns the transcript's own options, but for what was sent. Raises InvalidOption."""
    if unknown := [name for name in sent if name not in CHOICES]:
        message = _("“%(name)s” can’t be chosen for some lines. Known are %(known)s.")
        raise InvalidOption(unknown[0], message % {"name": unknown[0][:40], "known": ", ".join(CHOICES)})
    own = {name: getattr(row, name) for name in OPTIONS if name not in ("audio_track", "task", "hotwords")}
    options = TranscriptionOptions.checked(Lane.INTERACTIVE, **own | {"speakers": OFF} | dict(sent))
    has_words = row.word_timestamps or row.speakers != OFF
    return replace(
        options,
        task=row.task,
        hotwords=row.hotwords,
        folder_hotwords=row.folder_hotwords,
        audio_track=row.audio_track_taken,
        word_timestamps=has_words,
        named_model=True,
    )


def _heard_seconds(row: Transcription) -> float:
    """Returns how much sound a rehearing takes, which is charged, rounded up to seconds."""
    begin, end = row.heard_range or (0.0, 0.0)
    length = (row.rehears.saved_seconds if row.rehears else 0.0) or row.recording.duration_seconds
    return max(0.0, min(end, length) - begin)

"""Transcriptions of the same content under the same options, finished or not, that may answer a request.

Only the tenant's own, and of recordings that the actor sees. A finished one answers only at temperature 0, because
sampling asks for a new sample, and only if an engine serves its model version now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from django.db.models import Case, QuerySet, When

from tenants import enrolled_voices
from tenants.access import Actor
from tenants.models import Tenant
from transcription.diarization import weights
from transcription.folders.visibility import seen
from transcription.models import MachineText, Recording, Segment, Speaker, Status, Transcription
from transcription.options import engines
from transcription.options.options import TranscriptionOptions
from transcription.queue import lifecycle

UNFINISHED = (Status.QUEUED, Status.RUNNING)


@dataclass(frozen=True)
class FinishedResult:
    """A completed transcription with the machine's text, segments and speakers, without later edits.

    `names` are the speakers' by their index, empty where they have none.
    """

    source: Transcription
    text: str
    segments: list[Segment]
    names: dict[int, str] = field(default_factory=dict)


def find_finished(
    actor: Actor, options: TranscriptionOptions, fingerprint: str, translates: Transcription | None = None
) -> FinishedResult | None:
    """Returns the latest result of this fingerprint, which includes these options, that the actor sees.

    One that `translates` the same transcript, or none either, comes before a later one.
    """
    versions = engines.versions_of(options.model) if options.temperature == 0 else set()
    if not versions:
        return None
    rows = Transcription.objects.filter(
        seen(actor, "recording"),
        tenant=actor.tenant,
        fingerprint=fingerprint,
        status=Status.COMPLETED,
        text_deleted_at=None,
        speakers_error="",
        recording__deleted_at=None,
        model_version__in=versions,
    )
    stands_there = Case(When(translates=translates, then=1), default=0)
    source = rows.select_related("recording").order_by(stands_there.desc(), "-finished_at").first()
    if source is None:
        return None
    result = _without_edits(source)
    # Text and segments are deleted together: if the row still answers, those that were read are complete.
    return result if rows.filter(id=source.id).exists() else None


def unfinished_of_recording(
    recording: Recording, fingerprint: str, translates: Transcription | None
) -> QuerySet[Transcription]:
    """Returns queued and running transcriptions of this recording, the oldest first, beside `translates` or alone."""
    rows = Transcription.objects.filter(tenant=recording.tenant_id, recording=recording, fingerprint=fingerprint)
    return rows.filter(status__in=UNFINISHED, translates=translates).order_by("created_at")


def unfinished_of_caller(actor: Actor, fingerprints: Collection[str]) -> QuerySet[Transcription]:
    """Returns unfinished transcriptions that synchronous calls with the actor's key wait for, the oldest first.

    A call that asks for the same meanwhile is taken for a retry, as OpenAI's SDKs send it after a timeout, at any
    temperature.
    """
    unfinished = Transcription.objects.filter(
        seen(actor, "recording"),
        tenant=actor.tenant,
        fingerprint__in=fingerprints,
        someone_waits=True,
        status__in=UNFINISHED,
        recording__api_key=actor.key,
        recording__deleted_at=None,
    )
    return unfinished.select_related("recording").order_by("created_at")


def insert_completed(row: Transcription, result: FinishedResult) -> None:
    """Inserts a transcription that `result` completes. Call in the accepting transaction, with the tenant locked."""
    source = result.source
    row.is_reused = True
    row.text, row.detected_language, row.model_version = result.text, source.detected_language, source.model_version
    row.heard_languages, row.missed_speech = source.heard_languages, source.missed_speech
    row.doubtful_words = source.doubtful_words
    row.saved_seconds, row.sequence, row.resume = source.saved_seconds, source.sequence, source.resume
    row.warnings = source.warnings
    row.reused_from = Transcription.objects.filter(id=source.id).first()  # it may have been deleted meanwhile
    segments = [_copied(segment, row) for segment in result.segments]
    speakers = [Speaker.numbered(row, index, name) for index, name in result.names.items()]
    _mark_recognised(row.tenant, speakers)
    lifecycle.insert_completed(row, segments, speakers)


def _mark_recognised(tenant: Tenant, speakers: Iterable[Speaker]) -> None:
    """Notes whose names the machine gave by their voices. The fingerprint says that the same ones are enrolled now."""
    if tenant.recognises_voices:
        enrolled = {one.name: one.member_id for one in enrolled_voices.comparable(tenant, weights.VOICES)}
        for speaker in speakers:
            speaker.recognised_id = enrolled.get(speaker.name)


def _without_edits(source: Transcription) -> FinishedResult:
    """Reads the segments before the machine's text, which the first edit saves: without it, they were not edited."""
    segments = list(source.segments.all())
    names = dict(source.speaker_set.values_list("index", "name"))
    machine = MachineText.objects.filter(transcription=source).first()
    if machine is None:
        return FinishedResult(source, source.text, segments, names)
    original = [Segment(tenant_id=source.tenant_id, **fields) for fields in machine.numbered()]
    return FinishedResult(source, machine.text, original, machine.speaker_names)


def _copied(segment: Segment, row: Transcription) -> Segment:
    copy = Segment(**{field.attname: getattr(segment, field.attname) for field in Segment._meta.concrete_fields})
    copy.pk, copy.transcription, copy.checks = None, row, []
    return copy

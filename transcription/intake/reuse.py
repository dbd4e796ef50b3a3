"""The same content under the same options: what a tenant was given before, or is being given, answers again.

Never across tenants, and never from another model version than one that an engine serves now. Only at
temperature 0: who asks for sampling wants a new sample.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from tenants.access import Actor
from transcription.models import MachineText, Recording, Segment, Status, Transcription
from transcription.options import engines
from transcription.options.options import TranscriptionOptions
from transcription.queue import lifecycle


@dataclass(frozen=True)
class Known:
    """A finished transcription with the machine's text and segments, whatever people made of them since."""

    source: Transcription
    text: str
    segments: list[Segment]


def finished(tenant_id: UUID, options: TranscriptionOptions, fingerprint: str) -> Known | None:
    """The tenant's stored result for this content and these options, None where it has to be worked out."""
    versions = engines.versions_of(options.model) if options.temperature == 0 else set()
    if not versions:
        return None
    rows = Transcription.objects.filter(
        tenant_id=tenant_id,
        fingerprint=fingerprint,
        status=Status.COMPLETED,
        text_deleted_at=None,
        recording__deleted_at=None,
        model_version__in=versions,
    )
    source = rows.select_related("recording").order_by("-finished_at").first()
    if source is None:
        return None
    known = _as_the_machine_gave_it(source)
    # Text and segments are deleted together: those of a row that still stands were complete.
    return known if rows.filter(id=source.id).exists() else None


def unfinished(recording: Recording, fingerprint: str) -> QuerySet[Transcription]:
    """What waits or runs for this recording under these options, the oldest first."""
    rows = Transcription.objects.filter(tenant=recording.tenant_id, recording=recording, fingerprint=fingerprint)
    return rows.filter(status__in=(Status.QUEUED, Status.RUNNING)).order_by("created_at")


def _as_the_machine_gave_it(source: Transcription) -> Known:
    """One person's corrections are no answer to another's upload.

    Asked after the segments: where nothing was kept by then, nobody had changed them when they were read.
    """
    segments = list(source.segments.all())
    kept = MachineText.objects.filter(transcription=source).first()
    if kept is None:
        return Known(source, source.text, segments)
    return Known(source, kept.text, [Segment(tenant_id=source.tenant_id, **piece) for piece in kept.numbered()])


def under_way(actor: Actor, fingerprints: Collection[str]) -> QuerySet[Transcription]:
    """Unfinished transcriptions of this content that a synchronous request of the same key waits for, oldest first.

    Whoever asks again meanwhile is taken for its retry, as OpenAI's SDKs send it after a timeout: at any temperature.
    """
    unfinished = Transcription.objects.filter(
        tenant=actor.tenant,
        fingerprint__in=fingerprints,
        someone_waits=True,
        status__in=(Status.QUEUED, Status.RUNNING),
        recording__api_key=actor.key,
        recording__deleted_at=None,
    )
    return unfinished.select_related("recording").order_by("created_at")


def complete(row: Transcription, known: Known) -> None:
    """Inserts a transcription that another one's result answers at once: nothing is worked on or charged.

    Call inside the accepting transaction, with the tenant's schedule locked.
    """
    source = known.source
    row.is_reused = True
    row.text, row.detected_language, row.model_version = known.text, source.detected_language, source.model_version
    row.heard_languages = source.heard_languages
    row.saved_seconds, row.sequence, row.resume = source.saved_seconds, source.sequence, source.resume
    row.warnings = source.warnings
    row.reused_from = Transcription.objects.filter(id=source.id).first()  # it may be gone by now
    lifecycle.insert_completed(row, [_copied(segment, row) for segment in known.segments])


def _copied(segment: Segment, row: Transcription) -> Segment:
    copy = Segment(**{field.attname: getattr(segment, field.attname) for field in Segment._meta.concrete_fields})
    copy.pk, copy.transcription = None, row
    return copy

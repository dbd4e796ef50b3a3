"""Answers of the native API about recordings: times in UTC, durations in seconds, links as paths."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q
from django.urls import reverse

from portal.api.native.schemas.failures import Failure
from portal.api.native.schemas.recordings import (
    SHOWN_AS_THEY_ARE,
    LanguageFound,
    Queue,
    RecordingBody,
    TranscriptionBody,
)
from tenants.access import Actor
from transcription.errors import reason_for_people
from transcription.exports import WRITERS, spoken_language
from transcription.folders.visibility import seen
from transcription.media.warnings import warnings_of
from transcription.models import Lane, Recording, Status, Transcription
from transcription.options import audio_tracks
from transcription.options.options import codes_of
from transcription.queue import eta


def recording_fields(actor: Actor, recording: Recording, with_place: bool = True) -> RecordingBody:
    """Describes a recording that the actor sees.

    `with_place` adds the place in the queue, which costs queries: not for lists.
    """
    latest = recording.latest
    return {
        "id": str(recording.id),
        "name": recording.name,
        "source": recording.source,
        "way": recording.way or None,
        "sender": recording.sender or None,
        "rules": [rule["name"] for rule in recording.ruled.get("rules", [])],
        "owner": recording.created_by.email if recording.created_by else None,
        "key": str(recording.api_key_id) if recording.api_key_id else None,
        "tags": [tag.name for tag in recording.tags],
        "folder": str(recording.folder_id) if recording.folder_id else None,
        "created_at": recording.created_at.isoformat(),
        "changed_at": (recording.changed_at or recording.created_at).isoformat(),
        "duration_seconds": round(recording.duration_seconds, 3),
        "bytes": recording.bytes,
        "format": recording.format,
        "audio_tracks": audio_tracks.numbered(recording),
        "audio_deleted_at": rfc3339(recording.audio_deleted_at),
        "transcription": transcription_fields(actor, latest, with_place) if latest else None,
    }


def transcription_fields(actor: Actor, row: Transcription, with_place: bool = True) -> TranscriptionBody:
    fields: TranscriptionBody = {
        "id": str(row.id),
        "recording": str(row.recording_id),
        "status": row.status,
        "percent": row.percent,
        "finding_speakers": row.finding_speakers,
        "language": spoken_language(row) or None,
        "mode_taken": row.mode_taken or None,
        "languages": codes_of(row.languages),
        "languages_found": _found(row),
        "audio_track": row.audio_track or None,
        "audio_track_taken": row.audio_track_taken or None,
        "lane": Lane(row.lane).key,
        "created_at": row.created_at.isoformat(),
        "finished_at": rfc3339(row.finished_at),
        "processing_seconds": row.processing_seconds,
        "translates": str(row.translates_id) if row.translates_id else None,
        "reused": row.is_reused,
        "reused_from": _source(actor, row),
        "text_deleted_at": rfc3339(row.text_deleted_at),
        "revision": row.revision,
        "checked_share": round(row.checked_share, 4),
        "queue": _queue(row) if with_place else None,
        "error": _error(row),
        "warnings": warnings_of(row),
        "transcripts": _links(row),
    }
    options: Any = {name: getattr(row, name) for name in SHOWN_AS_THEY_ARE}
    fields.update(options)
    return fields


def _found(row: Transcription) -> list[LanguageFound]:
    """Returns the languages that were heard, the most spoken first."""
    total = sum(row.heard_languages.values())
    ordered = sorted(row.heard_languages.items(), key=lambda heard: -heard[1])
    return [{"language": code, "share": round(seconds / total, 3)} for code, seconds in ordered]


def _queue(row: Transcription) -> Queue | None:
    place = eta.place_in_queue(row)
    return Queue(position=place.position, eta_seconds=place.eta_seconds) if place else None


def _error(row: Transcription) -> Failure | None:
    if row.status != Status.FAILED:
        return None
    return {"code": row.error_code, "message": reason_for_people(row.error_code)}


def _links(row: Transcription) -> dict[str, str] | None:
    if row.status != Status.COMPLETED or row.text_deleted_at is not None:
        return None
    address = reverse("native_transcript", args=[row.id, "txt"]).removesuffix("txt")
    return {name: address + name for name in WRITERS}


def rfc3339(when: datetime | None) -> str | None:
    return when.isoformat() if when else None


def _source(actor: Actor, row: Transcription) -> str | None:
    """Returns the transcription whose text was reused, unless it is in a folder of which the actor may not know."""
    if row.reused_from_id is None:
        return None
    everywhere = Q(recording__folder=None) | Q(recording__folder=row.recording.folder_id)
    rows = Transcription.objects.filter(everywhere, seen(actor, "recording"), id=row.reused_from_id)
    return str(row.reused_from_id) if rows.exists() else None

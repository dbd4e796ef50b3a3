"""Copies of a recording's audio that browsers can play, one for each transcribed audio track."""

from __future__ import annotations

import logging

from django.db import transaction

from transcription.connections import lend_connection
from transcription.media import storage
from transcription.models import Recording, Transcription

log = logging.getLogger(__name__)


def key_of(row: Transcription) -> str:
    """Returns the key of the copy of the transcribed track; empty if there is none."""
    recording = row.recording
    if len(recording.audio_tracks) < 2:
        return recording.playback_key
    return str(recording.track_copies.get(str(row.audio_track_taken), ""))


def new_key(row: Transcription) -> str:
    several = len(row.recording.audio_tracks) > 1
    name = f"playback-{row.audio_track_taken}.m4a" if several else "playback.m4a"
    return storage.recording_key(row.recording.tenant_id, row.recording.id, name)


def record_copy(row: Transcription, key: str) -> bool:
    """Records a stored copy; returns False if the recording's audio was deleted meanwhile."""
    with transaction.atomic():
        current = Recording.objects.select_for_update().filter(id=row.recording.id, audio_deleted_at=None).first()
        if current is None:
            return False
        if len(current.audio_tracks) < 2:
            current.playback_key = row.recording.playback_key = key
        else:
            current.track_copies |= {str(row.audio_track_taken): key}
            row.recording.track_copies = current.track_copies
        current.save(update_fields=["playback_key", "track_copies"])
    return True


def copy_from(recording: Recording, source: Transcription) -> None:
    """Reuses the copy of an earlier transcription of the same content, before the recording is saved."""
    if not (key := key_of(source)):
        return
    lend_connection()
    target = storage.recording_key(recording.tenant_id, recording.id, key.rpartition("/")[2])
    try:
        storage.copy(key, target)
    except Exception as error:  # of many kinds with S3; without a copy only the player is missing
        log.warning("No playable copy of recording %s: %s", recording.id, error)
        return
    if len(recording.audio_tracks) < 2:
        recording.playback_key = target
    else:
        recording.track_copies = {str(source.audio_track_taken): target}

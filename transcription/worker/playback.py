"""Stores a copy that browsers can play of a recording whose original they cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable

from transcription import media
from transcription.media import DecoderDied, MediaError, playable_copies, storage
from transcription.media.storage import StorageUnavailable
from transcription.models import Recording, Transcription
from transcription.options import audio_tracks

log = logging.getLogger(__name__)
SHORT_SECONDS = 1800


def is_awaited(recording: Recording) -> bool:
    """Returns whether a page is about to show a player. Programs don't wait for one, nor for a long recording's."""
    return recording.source != Recording.Source.API and recording.duration_seconds < SHORT_SECONDS


def store_playable_copy(row: Transcription, seconds: float, on_progress: Callable[[], None] = lambda: None) -> None:
    """Makes the copy where it is needed and missing. An error is logged and costs only the player."""
    recording = row.recording
    if audio_tracks.found_in(row).is_playable or playable_copies.key_of(row):
        return
    key, track = playable_copies.new_key(row), max(0, row.audio_track_taken - 1)
    try:
        with storage.local_copy(recording.storage_key, on_progress) as path, storage.temporary_path() as copy:
            media.make_playable(path, recording.format, copy, seconds + 1, on_progress, track)
            storage.delete(key)  # a copy that an interrupted attempt left
            storage.save(copy, key)
    except (MediaError, DecoderDied, OSError, StorageUnavailable) as error:
        log.warning("No playable copy of recording %s: %s", recording.id, error)
        return
    if not playable_copies.record_copy(row, key):
        storage.discard(key)

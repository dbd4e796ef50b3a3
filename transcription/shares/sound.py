"""The sound that a link gives. Nobody else reads a sound for a link, so that what is left out is left out here.

A link never gives the file that was sent: it may hold pictures, other audio tracks, tags that name people and places.
It gives a copy: the one that the portal made for browsers, or, of an excerpt and where there is none, its own, which
`cutting` makes. Nothing outside of the excerpt is in that file, and nothing that is struck.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from django.db.models.functions import Now
from django.utils import timezone

from transcription import media
from transcription.media import playable_copies, storage
from transcription.models import Recording, Transcription
from transcription.shares.models import Share
from transcription.strikes import copies, overlaps

CONTENT_TYPE = "audio/mp4"


def sound_of(share: Share, row: Transcription | None) -> str:
    """Returns the storage key of what a link gives to hear; empty where it gives none, or none yet.

    `row` is the transcription whose text it gives. A copy from before something was struck, or given back, is given no
    more, and another one is wanted from now on.
    """
    if not gives_sound(share):
        return ""
    track = track_of(share.recording, row)
    if share.sound_key and share.sound_struck == share.recording.struck and share.sound_track == track:
        return share.sound_key
    if share.sound_key:
        drop(share)
    if not (ready := _ready_copy(share, row)) and needs_own(share, row):
        _want(share)
    return ready


def gives_sound(share: Share) -> bool:
    """Returns whether there is, or will be, something to hear."""
    if not share.with_sound or share.sound_error or share.recording.audio_deleted_at is not None:
        return False
    return share.excerpt is not None or not share.recording.struck or not copies.has_failed(share.recording)


def own_key(share: Share, fence: int) -> str:
    """Returns the storage key of the copy that the claim with this fence makes: no two write to the same place."""
    return storage.recording_key(share.tenant_id, share.recording_id, f"share-{share.id}-{fence}.m4a")


def drop(share: Share) -> bool:
    """Has another copy made instead of a link's own; returns False if somebody was faster."""
    rows = Share.objects.filter(id=share.id, sound_key=share.sound_key)
    won = bool(rows.update(sound_key="", sound_due_at=Now(), sound_attempts=0))
    if won:
        storage.discard(share.sound_key)
    return won


def track_of(recording: Recording, row: Transcription | None) -> int | None:
    """Returns the number of the audio track whose text, `row`, is given, from 1.

    It is 0 where there is one track only, and None while it is not known which of several it will be.
    """
    if len(recording.audio_tracks) < 2:
        return 0
    return (row.audio_track_taken if row else recording.audio_track) or None


def needs_own(share: Share, row: Transcription | None) -> bool:
    """Returns whether nothing that the portal has, or is just making, is what the link may give."""
    recording, track = share.recording, track_of(share.recording, row)
    if track is None:
        return False
    if share.excerpt is None and recording.struck:
        return copies.track_of(recording) != track
    return not _ready_copy(share, row)


def peaks_of(share: Share) -> list[float]:
    """Returns the loudness, 0 to 1, evenly over what the link gives to hear."""
    recording = share.recording
    start, end = share.excerpt or (0.0, math.inf)
    width = recording.duration_seconds / max(1, len(recording.peaks))
    times = [(at * width, (at + 1) * width, peak / 100) for at, peak in enumerate(recording.peaks)]
    inside = [one for one in times if one[0] >= start and one[1] <= end]
    return [0.0 if overlaps(recording.struck, first, last) else peak for first, last, peak in inside]


def write(share: Share, track: int, target: Path, on_progress: Callable[[], None]) -> None:
    """Writes the own copy of a link, of an audio track as `track_of` numbers it.

    Raises MediaError, DecoderDied, OSError and StorageUnavailable.
    """
    recording = share.recording
    with storage.local_copy(recording.storage_key, on_progress) as path:
        media.make_playable(
            path,
            recording.format,
            target,
            copies.longest(recording),
            on_progress,
            max(0, track - 1),
            recording.struck,
            share.excerpt,
        )


def _want(share: Share) -> None:
    """Has a copy made of a link that needed none when `cutting` looked last: what was struck is given back, say."""
    if share.sound_attempts == 0 and share.sound_due_at > timezone.now():
        at_rest = Share.objects.filter(id=share.id, sound_key="", sound_attempts=0, sound_due_at__gt=Now())
        at_rest.update(sound_due_at=Now())


def _ready_copy(share: Share, row: Transcription | None) -> str:
    """Returns the storage key of the copy for browsers, where a link may give it."""
    if share.excerpt is not None:
        return ""
    if share.recording.struck:
        is_same = copies.track_of(share.recording) == track_of(share.recording, row)
        return copies.key_of(share.recording) if is_same else ""
    return playable_copies.key_of(row) if row is not None else share.recording.playback_key

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

from transcription import media
from transcription.media import playable_copies, storage
from transcription.models import Transcription
from transcription.shares.models import Share
from transcription.shares.text import newest
from transcription.strikes import copies, overlaps

CONTENT_TYPE = "audio/mp4"
LATE_SECONDS = 1.0


def sound_of(share: Share, row: Transcription | None) -> str:
    """Returns the storage key of what a link gives to hear; empty where it gives none, or none yet.

    `row` is the transcription whose text it gives. A copy from before something was struck, or given back, is given no
    more, and another one is wanted from now on.
    """
    if not gives_sound(share):
        return ""
    if share.sound_key and share.sound_struck == share.recording.struck:
        return share.sound_key
    if share.sound_key:
        Share.objects.filter(id=share.id, fence=share.fence).update(sound_key="", sound_due_at=Now())
    return _ready_copy(share, row)


def gives_sound(share: Share) -> bool:
    """Returns whether there is, or will be, something to hear."""
    if not share.with_sound or share.sound_error or share.recording.audio_deleted_at is not None:
        return False
    return share.excerpt is not None or not share.recording.struck or not copies.has_failed(share.recording)


def own_key(share: Share) -> str:
    """Returns the storage key that a link's own copy has, where there is one."""
    return storage.recording_key(share.tenant_id, share.recording_id, f"share-{share.id}.m4a")


def peaks_of(share: Share) -> list[float]:
    """Returns the loudness, 0 to 1, evenly over what the link gives to hear."""
    recording = share.recording
    start, end = share.excerpt or (0.0, math.inf)
    width = recording.duration_seconds / max(1, len(recording.peaks))
    times = [(at * width, (at + 1) * width, peak / 100) for at, peak in enumerate(recording.peaks)]
    inside = [one for one in times if one[0] >= start and one[1] <= end]
    return [0.0 if overlaps(recording.struck, first, last) else peak for first, last, peak in inside]


def write(share: Share, target: Path, on_progress: Callable[[], None]) -> bool:
    """Writes the copy of a link; returns False if it needs none of its own.

    Raises MediaError, DecoderDied, OSError and StorageUnavailable.
    """
    row, recording = newest(share), share.recording
    if _ready_copy(share, row) or (recording.struck and share.excerpt is None):
        return False
    track = max(0, (row.audio_track_taken if row else recording.audio_track) - 1)
    longest = recording.duration_seconds + LATE_SECONDS
    with storage.local_copy(recording.storage_key, on_progress) as path:
        media.make_playable(
            path, recording.format, target, longest, on_progress, track, recording.struck, share.excerpt
        )
    return True


def _ready_copy(share: Share, row: Transcription | None) -> str:
    """Returns the storage key of the copy for browsers, where a link may give it."""
    if share.excerpt is not None:
        return ""
    if share.recording.struck:
        return copies.key_of(share.recording)
    return playable_copies.key_of(row) if row is not None else share.recording.playback_key

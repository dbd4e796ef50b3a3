"""Makes the videos that are due, one after the other, beside the sweeper. Any number of processes may."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import babel.core
from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from tenants import quota, scope
from tenants.quota import QuotaExceeded
from transcription import exports, leases, media, tenant_lock
from transcription.connections import lend_connection
from transcription.exports import Cue, Layout
from transcription.exports.burnt import script
from transcription.leases import Claim, LostClaim
from transcription.lookout import Lookout
from transcription.media import DecoderDied, MediaError, storage, video
from transcription.media.storage import StorageUnavailable
from transcription.models import Recording, SubtitledVideo, Transcription
from transcription.strikes import MASK, copies
from transcription.videos import orders

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
LEASE_FOR_STORING = timedelta(minutes=15)
"""Nothing renews it while a bucket takes the file."""

RENEW_SECONDS = 5.0
BACKOFF = leases.Backoff((10, 60, 300))
MOST_ATTEMPTS = 3
KEPT = timedelta(days=7)
FORGOTTEN = timedelta(days=1)
"""After which one that failed is forgotten."""

MISSING_SHOWN = 8
MOST_DEATHS = 5
"""Of processes that made one."""

MARKS = " \u2009.,;:!?…。，、！？；：\"'“”‘’«»()[]-–—"
"""What may stand beside what is struck in a cue without any other word."""


class NoFont(Exception):
    """No font of this machine has these letters."""


class Stopped(Exception):
    """The process is to end; another one goes on."""


class Gone(Exception):
    """The recording's sound, or a text, is not there any more."""


def make_due(stop: threading.Event | None = None) -> int:
    """Makes what is due now, one after the other, until `stop` is set. Returns how many."""
    count = 0
    while not (stop and stop.is_set()) and make_next(stop):
        count += 1
    return count


def make_next(stop: threading.Event | None = None) -> bool:
    """Makes the oldest due video of the tenant that had its turn longest ago; returns whether there was one."""
    with scope.across_tenants("videos of every tenant are due"):
        due = _due()
        waiting = list(due.order_by().values_list("tenant", flat=True).distinct())
        made = SubtitledVideo.objects.filter(tenant__in=waiting).order_by().values_list("tenant")
        turns = dict(made.annotate(Max("finished_at")))
        if not waiting:
            return False
        never = timezone.now() - 2 * KEPT
        tenant = min(waiting, key=lambda one: turns.get(one) or never)
        row = due.filter(tenant=tenant).order_by("due_at", "created_at").first()
        if row is None:
            return True
        claim = leases.claim(due, row, due_at=Now() + LEASE, attempts=F("attempts") + 1)
    if claim is not None:
        with scope.bound(row.tenant_id):
            _attempt(claim, row, stop or threading.Event())
    return True


def _due() -> QuerySet[SubtitledVideo]:
    return SubtitledVideo.objects.filter(due_at__lte=Now(), tenant__is_active=True)


DUE = Lookout(_due)


def drop_old() -> int:
    """Deletes videos that are older than KEPT, or from before something was struck or given back; returns how many."""
    now, dropped = timezone.now(), 0
    with scope.across_tenants("videos of every tenant grow old"):
        rows = SubtitledVideo.objects.select_related("recording").filter(due_at=None)
        for row in rows.iterator():
            age = now - (row.finished_at or row.created_at)
            if age > (FORGOTTEN if row.error else KEPT) or (row.key and not orders.is_current(row)):
                with transaction.atomic():
                    tenant_lock.lock(row.tenant_id)
                    key = orders.forget(row)
                storage.discard(key)
                dropped += 1
    return dropped


def _attempt(claim: Claim, row: SubtitledVideo, stop: threading.Event) -> None:
    key = _key(row, claim.fence)
    if row.attempts >= MOST_DEATHS:
        return _end(claim, "failed")
    try:
        _make(claim, row, key, stop)
    except Stopped:
        _claimed(claim).update(due_at=Now(), attempts=F("attempts") - 1, percent=0)
    except (LostClaim, Gone) as lost:
        log.info("The video %s is not made: %s", row.id, lost or "it is another process's, or deleted")
        storage.discard(key)
        if isinstance(lost, Gone):
            _end(claim, "failed")
    except NoFont as missing:
        _end(claim, "no_font", str(missing))
    except QuotaExceeded:
        storage.discard(key)
        _end(claim, "quota_stored_bytes")
    except MediaError as error:
        log.warning("No video %s: %s", row.id, error)
        _end(claim, error.code if error.code in ("too_complex", "not_media") else "failed")
    except (DecoderDied, OSError, StorageUnavailable) as error:
        log.warning("No video %s: %s", row.id, error)
        storage.discard(key)
        if row.attempts + 1 >= MOST_ATTEMPTS:
            _end(claim, "failed")
        else:
            delay = timedelta(seconds=BACKOFF.after(row.attempts + 1))
            _claimed(claim).update(due_at=Now() + delay, percent=0)


def _make(claim: Claim, row: SubtitledVideo, key: str, stop: threading.Event) -> None:
    """Raises LostClaim, Gone, Stopped, NoFont, QuotaExceeded, MediaError, DecoderDied, OSError, StorageUnavailable."""
    recording = Recording.objects.filter(id=row.recording_id, audio_deleted_at=None).first()
    texts = Transcription.objects.select_related("recording").filter(text_deleted_at=None)
    text, beside = texts.filter(id=row.transcription_id).first(), _beside(texts, row)
    if recording is None or text is None or (row.beside_id and beside is None):
        raise Gone("the sound or the text was deleted")
    storage.discard(_key(row, claim.fence - 1))  # of a process that died
    seconds = max(1.0, recording.duration_seconds)
    renewal = leases.Renewal(
        lambda done=0.0: _write(claim, due_at=Now() + LEASE, percent=min(99, int(100 * done / seconds))), RENEW_SECONDS
    )

    def progress(done: float = 0.0) -> None:
        if stop.is_set():
            raise Stopped
        renewal(done)

    with storage.local_copy(recording.storage_key, progress) as path, storage.temporary_path() as target:
        source = _source(recording, text, path, target.parent, progress)
        cues = _shown(exports.cues_of(text, Layout(row.max_line_length, row.max_lines), beside))
        subtitles = _subtitles(row, text, beside, cues, source, target.parent)
        container = "mp4" if row.is_mp4 else "matroska"
        video.make_video(source, subtitles, container, target, progress)
        size = target.stat().st_size
        _write(claim, due_at=Now() + LEASE_FOR_STORING, percent=99)
        storage.save(target, key)
    facts = {"struck": recording.struck, "revision": text.revision, "beside_revision": beside.revision if beside else 0}
    with transaction.atomic():
        tenant_lock.lock(row.tenant_id)
        quota.take_storage(row.tenant, size)
        _write(claim, key=key, bytes=size, due_at=None, percent=100, finished_at=Now(), **facts)


def _source(
    recording: Recording, text: Transcription, path: Path, folder: Path, progress: Callable[[], None]
) -> video.Source:
    several = len(recording.audio_tracks) > 1
    track = max(0, text.audio_track_taken - 1) if several else 0
    codec = recording.audio_tracks[track]["codec"] if track < len(recording.audio_tracks) else recording.codec
    is_mended = "mended" in text.warnings
    sound = folder / "sound.m4a" if recording.struck or is_mended else None
    picture = video.picture_of(path, recording.format, is_mended=is_mended)
    if sound is not None:
        longest = copies.longest(recording)
        media.make_playable(path, recording.format, sound, longest, progress, track, recording.struck)
    seconds = recording.duration_seconds
    return video.Source(path, recording.format, picture, track, codec, seconds, recording.struck, sound)


def _subtitles(
    row: SubtitledVideo,
    text: Transcription,
    beside: Transcription | None,
    cues: list[Cue],
    source: video.Source,
    folder: Path,
) -> video.Subtitles:
    """Raises NoFont, MediaError and DecoderDied."""
    size = source.picture.shown_size if source.picture else video.DARK
    if row.kind == SubtitledVideo.Kind.BURNT:
        shown = (line for cue in cues for line in (*cue.lines, *cue.beside))
        columns = row.max_line_length
        missing = video.missing_letters(
            shown, folder, lambda letters: script([Cue(0.0, 1.0, (letters,))], video.DARK, 4 * columns)
        )
        if missing:
            raise NoFont(" ".join(missing[:MISSING_SHOWN]))
        return video.Subtitles(burnt=script(cues, size, columns))
    layout = Layout(row.max_line_length, row.max_lines)
    tracks = [(exports.subrip_of(replace(cue, beside=()) for cue in cues), _language(text))]
    if beside is not None:
        segments = exports.beside.shown_beside(beside)
        tracks.append((exports.subrip_of(_shown(exports.split_into_cues(segments, layout))), _language(beside)))
    return video.Subtitles(tracks=tuple(one for one in tracks if one[0]))


def _shown(cues: Iterable[Cue]) -> list[Cue]:
    """Returns cues without those of which everything is struck."""
    return [cue for cue in cues if "".join((*cue.lines, *cue.beside)).replace(MASK, "").strip(MARKS)]


def _language(row: Transcription) -> str:
    """Returns the language of a text as containers have it: of three letters."""
    return _three_letters().get(exports.text_language(row), "und")


@cache
def _three_letters() -> dict[str, str]:
    aliases = babel.core.get_global("language_aliases")
    return {short: long for long, short in sorted(aliases.items()) if len(long) == 3 and len(short) == 2}


def _beside(texts: QuerySet[Transcription], row: SubtitledVideo) -> Transcription | None:
    return texts.filter(id=row.beside_id).first() if row.beside_id else None


def _key(row: SubtitledVideo, fence: int) -> str:
    """Returns the key of what the claim with this fence makes: no two write to the same place."""
    return storage.recording_key(row.tenant_id, row.recording_id, f"video-{row.id}-{fence}.{orders.ending(row)}")


def _claimed(claim: Claim) -> QuerySet[SubtitledVideo]:
    return leases.claimed(SubtitledVideo.objects.filter(due_at__isnull=False), claim)


def _write(claim: Claim, **changes: Any) -> None:
    """Raises LostClaim, also for one that was deleted meanwhile."""
    leases.write(_claimed(claim), **changes)
    lend_connection()


def _end(claim: Claim, error: str, missing: str = "") -> None:
    _claimed(claim).update(due_at=None, error=error, missing=missing, finished_at=Now())

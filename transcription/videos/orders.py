"""Asks for videos with subtitles, finds them, and deletes them."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from tenants import audit, quota
from tenants.access import Actor
from tenants.quota import QuotaExceeded
from tenants.shortcuts import first_or_404
from transcription import exports, tenant_lock
from transcription.errors import InvalidOption, Refused, over_quota_noted
from transcription.exports import Layout
from transcription.folders.visibility import among, seen
from transcription.library import retention
from transcription.media import storage
from transcription.models import Recording, SubtitledVideo, Transcription
from transcription.transcripts import editing

PERMISSION = "recordings.create"
MOST_UNFINISHED = 5
"""Of an organisation."""

MOST_KEPT = 20
"""Of a recording."""


def ask(
    actor: Actor, transcription_id: UUID, kind: str, layout: Layout | None = None, beside_id: UUID | None = None
) -> SubtitledVideo:
    """Has a video made; returns the one that there is, or that is being made, of the same as it is now.

    Raises Http404, NotCompleted, TextDeleted, InvalidOption and Refused.
    """
    actor.require(PERMISSION)
    row = editing.transcript(actor, transcription_id)
    among(actor, row.recording.folder).require(PERMISSION)
    if kind not in SubtitledVideo.Kind.values:
        message = _("“%(name)s” must be one of %(known)s.")
        raise InvalidOption("kind", message % {"name": "kind", "known": ", ".join(SubtitledVideo.Kind.values)})
    beside, layout = exports.beside.asked(row, beside_id) if beside_id else None, layout or Layout()
    if not row.segments.exclude(text="").exists():
        raise Refused("no_subtitles", _("This text is empty: there is nothing to show in a video."))
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        recording = retention.recording_with_audio(row)
        wanted = Q(transcription=row, beside=beside, kind=kind, error="", struck=recording.struck)
        wanted &= Q(max_line_length=layout.max_line_length, max_lines=layout.max_lines)
        wanted &= Q(revision=row.revision, beside_revision=beside.revision if beside else 0)
        if same := SubtitledVideo.objects.filter(wanted).first():
            return same
        _check_room(actor, recording)
        made = SubtitledVideo.objects.create(
            tenant=actor.tenant,
            recording=recording,
            transcription=row,
            beside=beside,
            kind=kind,
            max_line_length=layout.max_line_length,
            max_lines=layout.max_lines,
            created_by=actor.user,
            api_key=actor.key,
            due_at=Now(),
            struck=recording.struck,
            revision=row.revision,
            beside_revision=beside.revision if beside else 0,
        )
        audit.record(actor, "video.asked", row, recording=str(recording.id), kind=kind)
    made.refresh_from_db()
    return made


def videos(actor: Actor, row: Transcription) -> QuerySet[SubtitledVideo]:
    """Returns the videos of a transcription, the newest first."""
    actor.require("recordings.view")
    return SubtitledVideo.objects.filter(transcription=row)


def video(actor: Actor, video_id: UUID) -> SubtitledVideo:
    """Returns one of a recording that is there. Raises Http404."""
    actor.require("recordings.view")
    rows = SubtitledVideo.objects.select_related("recording__folder", "transcription", "beside")
    rows = rows.filter(seen(actor, "recording"), tenant=actor.tenant, recording__deleted_at=None)
    return first_or_404(rows.filter(id=video_id), _("There is no such video."))


def delete(actor: Actor, video_id: UUID) -> SubtitledVideo:
    """Deletes a video, or stops what makes it. Raises Http404."""
    actor.require(PERMISSION)
    row = video(actor, video_id)
    among(actor, row.recording.folder).require(PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        key = forget(row)
        audit.record(actor, "video.deleted", row.transcription, recording=str(row.recording_id), kind=row.kind)
    storage.discard(key)
    return row


def forget(row: SubtitledVideo) -> str:
    """Deletes a row, and gives its storage back; returns the key to delete afterwards.

    Call in a transaction with the tenant locked.
    """
    now = SubtitledVideo.objects.filter(id=row.id).first()
    if now is None:
        return ""
    now.delete()
    quota.give_storage_back(now.tenant_id, now.bytes)
    return now.key


def is_current(row: SubtitledVideo) -> bool:
    """Returns whether a video that is there may be handed out: nothing was struck, or given back, since."""
    return row.is_there and row.struck == row.recording.struck


def is_older(row: SubtitledVideo) -> bool:
    """Returns whether its texts were corrected since."""
    beside = row.beside.revision if row.beside else 0
    return (row.revision, row.beside_revision) != (row.transcription.revision, beside)


def file_name(row: SubtitledVideo) -> str:
    return exports.file_name_of(
        row.transcription, f"{'subtitled' if row.kind == row.Kind.BURNT else 'subtitles'}.{ending(row)}"
    )


def ending(row: SubtitledVideo) -> str:
    return "mp4" if row.is_mp4 else "mkv"


def reason(row: SubtitledVideo) -> str:
    """Returns why a video could not be made, and the way out; empty where it didn't fail."""
    reasons = {
        "": "",
        "no_font": _(
            "No font on this server has the letters %(letters)s. Ask your administrator to install one, or take the "
            "subtitles as a track: a player has fonts of its own."
        )
        % {"letters": row.missing},
        "quota_stored_bytes": _("The organisation’s storage is full. Delete something, then ask for the video again."),
        "too_complex": _(
            "The video would take more time, memory or room than it may. Take the subtitles as a track, or cut the "
            "film."
        ),
        "not_media": _("The film could not be read to its end. Check that it plays, or take the subtitles as a file."),
        "failed": _("The video could not be made, after three attempts. Ask for it again, or tell your administrator."),
    }
    return reasons.get(row.error, reasons["failed"])


def _check_room(actor: Actor, recording: Recording) -> None:
    """Raises Refused."""
    if SubtitledVideo.objects.filter(due_at__isnull=False).count() >= MOST_UNFINISHED:
        message = _("Your organisation has %(n)d videos that are still being made. Wait for one of them.")
        raise Refused("too_many_videos", message % {"n": MOST_UNFINISHED})
    if recording.videos.count() >= MOST_KEPT:
        message = _("This recording has %(n)d videos. Delete one of them first.")
        raise Refused("too_many_videos", message % {"n": MOST_KEPT})
    try:
        quota.check(actor.tenant, seconds=0, size=1)
    except QuotaExceeded as exceeded:
        raise over_quota_noted(actor.tenant, exceeded) from exceeded

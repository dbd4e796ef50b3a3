"""Sends a recording's audio: byte ranges from disk, or a signed URL of S3."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portal.http.outage import RETRY_HEADERS
from portal.http.ranges import ranged
from portal.web.access import TenantRequest, member_required
from transcription.library import read_audit, recordings, retention
from transcription.media import playable_copies, storage, storage_check
from transcription.media.filenames import file_name, without_extension
from transcription.media.loudness import BLOCK_SECONDS, stretch
from transcription.media.storage import StorageUnavailable
from transcription.models import Loudness, Recording
from transcription.strikes import copies
from transcription.strikes.spans import overlaps
from transcription.transcripts import striking

MOST_PEAKS = 2000
CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "aac": "audio/aac",
    "mov,mp4,m4a,3gp,3g2,mj2": "audio/mp4",
    "matroska,webm": "audio/webm",
}
PICTURES = {"mov,mp4,m4a,3gp,3g2,mj2": "video/mp4", "matroska,webm": "video/webm", "ogg": "video/ogg"}
"""Containers that browsers may show a picture of."""


@require_safe
@member_required("recordings.view")
def media(request: TenantRequest, recording_id: UUID) -> HttpResponseBase:
    """Sends the audio, as a download if the query has `download`, and records it in the audit log.

    It is silent where it is struck for who may not correct the transcript, and if the query has `redacted`. With
    `picture` it is the file that was sent, even where there is a copy of its sound for browsers.
    """
    recording = recordings.recording(request.actor, recording_id)
    if recording.audio_deleted_at is not None:
        return HttpResponse(f"{retention.why_no_audio(recording)}\n", "text/plain; charset=utf-8", 410)
    if storage_check.is_away():
        return _storage_unavailable()
    redacted = bool(recording.struck) and ("redacted" in request.GET or not request.actor.may(striking.PERMISSION))
    name = (
        f"{without_extension(recording.name)}.redacted.m4a" if redacted else file_name(recording.name, recording.format)
    )
    disposition = content_disposition_header(True, name) or "" if "download" in request.GET else ""
    if "picture" in request.GET:
        if redacted or recording.format not in PICTURES:
            raise Http404
        response = _stored(request, recording.storage_key, PICTURES[recording.format], disposition)
    elif redacted:
        key = copies.key_of(recording)
        if not key:
            return _not_ready(recording)
        response = _stored(request, key, "audio/mp4", disposition)
    else:
        response = _audio_response(request, recording, disposition)
    if _contains_audio(request, response):
        record = read_audit.downloaded if disposition else read_audit.played
        record(request.actor, recording)
    return response


@require_safe
@member_required("recordings.view")
def peaks(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    """Answers with the loudness, 0 to 1; with `start` and `end` in seconds of a stretch, as detailed as it is kept.

    It is 0 where what its reader hears is silent.
    """
    recording = recordings.recording(request.actor, recording_id)
    if not recording.peaks:
        raise Http404
    silent = [] if request.actor.may(striking.PERMISSION) else recording.struck
    start, end = (_seconds(request.GET.get(name, "")) for name in ("start", "end"))
    whole = recording.duration_seconds / len(recording.peaks)
    if start is None or end is None:
        points = _hushed(recording.peaks, 100, 0.0, whole, silent)
        return JsonResponse({"duration": recording.duration_seconds, "peaks": points})
    kept = Loudness.objects.filter(recording=recording).first()
    if kept is not None:
        first, step, values = stretch(bytes(kept.blocks), BLOCK_SECONDS, start, end, MOST_PEAKS)
        full_scale = 255
    else:
        first, step, values = stretch(recording.peaks, whole, start, end, MOST_PEAKS)
        full_scale = 100
    return JsonResponse({"start": first, "step": step, "peaks": _hushed(values, full_scale, first, step, silent)})


def _hushed(
    values: Iterable[float], full_scale: int, first: float, step: float, silent: Sequence[Sequence[float]]
) -> list[float]:
    """Returns loudness as a share of the full scale, 0 in the seconds of `silent`."""
    return [
        0.0 if overlaps(silent, first + place * step, first + (place + 1) * step) else value / full_scale
        for place, value in enumerate(values)
    ]


def _seconds(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,7}(\.\d{1,6})?", text, re.ASCII) else None


def _storage_unavailable() -> HttpResponse:
    return HttpResponse(f"{StorageUnavailable().message}\n", "text/plain; charset=utf-8", 503, headers=RETRY_HEADERS)


def _contains_audio(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Returns whether a response gives audio. A signed URL does even after HEAD: it can be used for GET."""
    return response.status_code == 302 or (request.method == "GET" and response.status_code in (200, 206))


def _audio_response(request: HttpRequest, recording: Recording, disposition: str) -> HttpResponseBase:
    """Raises Http404."""
    latest = recording.latest
    copy = playable_copies.key_of(latest) if latest else recording.playback_key
    return _stored(request, copy or recording.storage_key, _content_type(recording, is_copy=bool(copy)), disposition)


def _not_ready(recording: Recording) -> HttpResponse:
    if copies.has_failed(recording):
        message = _("The redacted sound could not be made. Please tell your administrator.")
        return HttpResponse(f"{message}\n", "text/plain; charset=utf-8", 500)
    message = _("The redacted sound is being made. Try again in a moment.")
    return HttpResponse(f"{message}\n", "text/plain; charset=utf-8", 503, headers=RETRY_HEADERS)


def _stored(request: HttpRequest, key: str, content_type: str, disposition: str) -> HttpResponseBase:
    """Raises Http404."""
    if not storage.is_local():
        return HttpResponseRedirect(storage.signed_url(key, disposition))
    path = storage.local_path(key)
    if not path.exists():
        raise Http404
    response = ranged(request, key, path.stat().st_size, content_type)
    if disposition:
        response["Content-Disposition"] = disposition
    return response


def _content_type(recording: Recording, is_copy: bool) -> str:
    return "audio/mp4" if is_copy else CONTENT_TYPES.get(recording.format, "application/octet-stream")

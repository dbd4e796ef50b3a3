"""The sound of a share link. Each request asks the database whether the link still works.

An object in S3 goes through this process, too: a signed address would still work when the link no longer does.
"""

from __future__ import annotations

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from portal.http.outage import RETRY_HEADERS
from portal.http.ranges import ranged
from portal.shared.access import Visit, by_link, inside, nowhere
from transcription.media import storage, storage_check
from transcription.media.storage import StorageUnavailable
from transcription.shares import read_audit, text
from transcription.shares import sound as shared_sound


@require_safe
@by_link
@inside
def sound(visit: Visit) -> HttpResponseBase:
    """Sends the sound, as a download if the query has `download` and the link allows it."""
    share, wants_file = visit.share, "download" in visit.request.GET
    if wants_file and not share.with_download:
        return nowhere(visit.request)
    key = shared_sound.sound_of(share, text.newest(share)) if shared_sound.gives_sound(share) else ""
    if not key:
        return nowhere(visit.request)
    if storage_check.is_away():
        return HttpResponse(
            f"{StorageUnavailable().message}\n", "text/plain; charset=utf-8", 503, headers=RETRY_HEADERS
        )
    size = storage.size_of(key)
    if size is None:
        return nowhere(visit.request)
    visit.note_reading()
    response = ranged(visit.request, key, size, shared_sound.CONTENT_TYPE)
    if wants_file:
        name = f"{share.recording.name.rpartition('.')[0] or share.recording.name}.m4a"
        response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
        read_audit.exported(share, visit.address, "m4a")
    return response


@require_safe
@by_link
@inside
def peaks(visit: Visit) -> HttpResponseBase:
    found = shared_sound.peaks_of(visit.share) if shared_sound.gives_sound(visit.share) else []
    return JsonResponse({"peaks": found}) if found else nowhere(visit.request)

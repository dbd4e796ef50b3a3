"""The player with captions that other sites may show, where a link names them."""

from __future__ import annotations

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.shared.access import Visit, by_link, inside, limited, nowhere
from transcription.exports import Layout
from transcription.shares import sound, text, visits


@require_safe
@by_link
@inside
@limited(visits.READINGS)
def embed(visit: Visit) -> HttpResponseBase:
    """Counts an opening. Only pages of the link's own origins may frame it; without any there is none."""
    share = visit.share
    if not share.origins:
        return nowhere(visit.request)
    if visit.request.method == "GET" and not visits.open_link(share, visit.address):
        return nowhere(visit.request)
    row = text.newest(share)
    is_ready = bool(sound.gives_sound(share) and sound.sound_of(share, row))
    context = {
        "share": share,
        "recording": text.plain_recording(share),
        "hears": sound.gives_sound(share),
        "sound": visit.url("sound") if is_ready else "",
        "peaks": visit.url("peaks"),
        "captions": visit.url("captions") if row else "",
        "page": visit.url("page"),
    }
    response = render(visit.request, "shared/embed.html", context)
    response._csp_replace = {"frame-ancestors": share.origins}  # type: ignore[attr-defined]  # as csp.decorators does
    response.xframe_options_exempt = True  # as Django's decorator does
    return response


@require_safe
@by_link
@inside
@limited(visits.READINGS)
def captions(visit: Visit) -> HttpResponseBase:
    """Sends the text as cues that fit below a player."""
    shared = text.text_of(visit.share)
    if shared is None:
        return nowhere(visit.request)
    visit.note_reading()
    return HttpResponse(shared.captions(Layout()), "text/vtt; charset=utf-8")

"""How long what is in a folder, or has a tag, is kept: asked again where it deletes something at once."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.web.access import TenantRequest, member_required
from transcription.errors import InvalidOption
from transcription.folders import folders
from transcription.folders.visibility import MANAGE
from transcription.library import retention_settings, tags
from transcription.library.periods import MOST_DAYS, PeriodOwner
from transcription.models import Folder

METHODS = ["GET", "HEAD", "POST"]


@require_http_methods(METHODS)
@member_required(MANAGE)
def folder(request: TenantRequest, folder_id: UUID) -> HttpResponse:
    return _page(request, folders.get(request.actor, folder_id))


@require_http_methods(METHODS)
@member_required(MANAGE)
def tag(request: TenantRequest, tag_id: UUID) -> HttpResponse:
    return _page(request, tags.get(request.actor, tag_id))


def _page(request: TenantRequest, owner: PeriodOwner) -> HttpResponse:
    audio, text, goes = owner.audio_retention_days, owner.text_retention_days, None
    if request.method == "POST":
        try:
            audio, text = _days(request, "audio_days"), _days(request, "text_days")
            goes = retention_settings.preview(request.actor, owner, audio, text)
            asked = f"{goes.audio}-{goes.text}"
            if not (goes.audio or goes.text) or request.POST.get("confirmed") == asked:
                retention_settings.set_days(request.actor, owner, audio, text)
                messages.success(request, _("Saved."))
                return redirect(request.path)
        except InvalidOption as invalid:
            messages.error(request, str(invalid))
            return redirect(request.path)
    is_folder = isinstance(owner, Folder)
    context = {
        "owner": owner,
        "is_folder": is_folder,
        "label": folders.label(request.actor, owner) if isinstance(owner, Folder) else owner.name,
        "audio_days": audio,
        "text_days": text,
        "goes": goes,
        "most": MOST_DAYS,
        "section": "recordings",
    }
    return render(request, "web/retention.html", context)


def _days(request: TenantRequest, name: str) -> int | None:
    """Raises InvalidOption."""
    sent = request.POST.get(name, "").strip()
    if sent and not (sent.isascii() and sent.isdecimal() and len(sent) < 7):
        raise InvalidOption(name, _("It must be from 1 to %(most)d days, or empty.") % {"most": MOST_DAYS})
    return int(sent) if sent else None

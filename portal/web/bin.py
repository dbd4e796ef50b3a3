"""The bin: recordings that were deleted and can be brought back; and legal holds, which keep recordings out of it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, by_method, member_required
from transcription.library import holds
from transcription.library import recordings as library

ON_A_PAGE = 50


@member_required("recordings.delete")
def index(request: TenantRequest) -> HttpResponse:
    page = Paginator(library.binned(request.actor), ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "web/bin.html", {"page": page, "section": "recordings"})


@member_required(library.ERASE)
def empty(request: TenantRequest) -> HttpResponse:
    """Erases all that the actor sees in the bin."""
    count = library.empty_bin(request.actor)
    text = ngettext("%(n)d recording is erased.", "%(n)d recordings are erased.", count)
    messages.success(request, text % {"n": count})
    return redirect("web:bin")


recycle_bin = by_method(get=index, post=empty)


@require_POST
@member_required(library.ERASE)
def erase(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    library.erase(request.actor, recording_id, deleted=True)
    messages.success(request, _("The recording is erased."))
    return redirect("web:bin")


@require_POST
@member_required(holds.PERMISSION)
def hold(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    """Puts a recording on hold, or ends its hold if the form has `release`."""
    if "release" in request.POST:
        holds.release(request.actor, recording_id)
        messages.success(request, _("The legal hold has ended."))
    else:
        holds.hold(request.actor, recording_id, request.POST.get("reason") or None)
        messages.success(request, _("Nobody can delete this recording before the hold ends."))
    return redirect("web:recording", recording_id)

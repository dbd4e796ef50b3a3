"""Share links: made and listed on the page of a recording, and the page of all of an organisation."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from portal.web.access import TenantRequest, member_required
from portal.web.share_form import ShareForm
from transcription.comments import threads
from transcription.errors import InvalidOption, Refused
from transcription.library import recordings
from transcription.models import Recording
from transcription.shares import links, moderation, visitors
from transcription.shares.models import Share
from transcription.shares.secrets import address_of

ON_A_PAGE = 50
makers_only = member_required(links.SHARE)
managers_only = member_required(links.MANAGE)


@require_POST
@makers_only
def share(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    """Makes a link, and answers with the part of the recording's page: the link is shown this once.

    Without scripts the answer is a page with that part alone.
    """
    row = recordings.recording(request.actor, recording_id)
    form = ShareForm(request.POST)
    made, invited = None, list[Share]()
    if form.is_valid():
        try:
            if form.guests:
                invited = links.invite(request.actor, recording_id, form.wanted, form.guests)
            else:
                made = links.create(request.actor, recording_id, form.wanted)
        except (InvalidOption, Refused) as error:
            form.refuse(error)
    context = context_of(request, row) | {"recording": row, "section": "recordings"}
    if made:
        context |= {"made": made.share, "link": address_of(made.secret)}
    elif invited:
        context |= {"invited": invited}
    else:
        context["share_form"] = form
    by_script = request.headers.get("X-Requested-With") == "XMLHttpRequest"
    return render(request, "web/_shares.html" if by_script else "web/sharing.html", context)


@require_GET
@managers_only
def shares(request: TenantRequest) -> HttpResponse:
    maker, state = request.GET.get("maker", ""), request.GET.get("state", "")
    rows = links.every(request.actor, maker, only_open=state == "open")
    page = Paginator(rows, ON_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "makers": links.makers(request.actor), "maker": maker, "state": state}
    return render(request, "web/shares.html", context | {"section": "recordings", "is_list": True})


@require_GET
@makers_only
def share_link(request: TenantRequest, share_id: UUID) -> HttpResponse:
    """Shows one link and who opened it."""
    row = links.get(request.actor, share_id)
    context = {"share": row, "visitors": visitors.last_of(row), "section": "recordings"}
    if request.actor.may(threads.MODERATE):
        context["written"] = moderation.written_by(row)
    return render(request, "web/share.html", context)


@require_POST
@makers_only
def revoke(request: TenantRequest, share_id: UUID) -> HttpResponse:
    row = links.revoke(request.actor, share_id)
    messages.success(request, _("The link was revoked. It opens nothing any more."))
    return redirect("web:shares") if request.POST.get("from") == "list" else redirect("web:recording", row.recording_id)


@require_POST
@member_required(threads.MODERATE)
def delete_comments(request: TenantRequest, share_id: UUID) -> HttpResponse:
    """Deletes what came by a link; with `guest` what that one wrote."""
    gone = moderation.delete(request.actor, share_id, request.POST.get("guest"))
    text = ngettext("%(n)d comment was deleted.", "%(n)d comments were deleted.", gone)
    messages.success(request, text % {"n": gone})
    return redirect("web:share_link", share_id)


@require_POST
@managers_only
def revoke_many(request: TenantRequest) -> HttpResponse:
    """Ends all links of a member."""
    ended = links.revoke_of(request.actor, request.POST.get("maker", ""))
    text = ngettext("%(n)d link was revoked.", "%(n)d links were revoked.", ended)
    messages.success(request, text % {"n": ended})
    return redirect("web:shares")


@require_POST
@managers_only
def keep(request: TenantRequest, share_id: UUID) -> HttpResponse:
    links.keep(request.actor, share_id)
    messages.success(request, _("The link goes on working, as your organisation’s."))
    return redirect("web:shares")


def context_of(request: TenantRequest, row: Recording) -> dict[str, Any]:
    """Returns what the dialog of a recording's page is drawn from; nothing for who may make no links."""
    if not request.actor.may(links.SHARE):
        return {}
    tenant = request.actor.tenant
    return {
        "share_form": ShareForm(),
        "share_links": links.foremost_of_recording(request.actor, row.id),
        "allows_sharing": tenant.allows_sharing and tenant.quota.includes_sharing,
    }

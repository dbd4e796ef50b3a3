"""Folders: the page of all, the page of one with its members, and recordings that are moved between them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.library_choices import people_choices
from portal.web.undo import moved_with_undo
from tenants.access import Actor
from tenants.former_members import KeyDecision
from transcription.errors import InvalidOption, Refused
from transcription.folders import folders as service
from transcription.folders.visibility import OVERSEERS
from transcription.library import moving
from transcription.library import recordings as library
from transcription.models import Folder, FolderMember, FolderRole, Recording
from transcription.models.folder import LONGEST_FOLDER
from transcription.models.tag import folded_name
from transcription.shares import leavers
from transcription.shares.models import Share
from transcription.transcripts import terms

ON_A_PAGE = 50
OFFERED = 20
"""Names that a picker offers for what is typed."""

SHOWN_FIRST = 8
"""Folders that the library shows above its list."""

makers_only = member_required(service.CREATE)


@member_required("recordings.view")
def index(request: TenantRequest) -> HttpResponse:
    search = request.GET.get("search", "")[:LONGEST_FOLDER]
    page = Paginator(service.visible(request.actor, search), ON_A_PAGE).get_page(request.GET.get("page"))
    rows = Recording.objects.filter(folder__in=list(page), deleted_at=None).order_by().values("folder")
    counts = dict(rows.annotate(count=Count("id")).values_list("folder", "count"))
    shown = [(row, service.label(request.actor, row), counts.get(row.id, 0)) for row in page]
    context = {"shown": shown, "page": page, "search": search, "longest": LONGEST_FOLDER, "section": "recordings"}
    return render(request, "web/folders.html", context)


@makers_only
def create(request: TenantRequest) -> HttpResponse:
    try:
        restricted = bool(request.POST.get("restricted"))
        row = service.create(request.actor, request.POST.get("name", ""), restricted=restricted)
    except (InvalidOption, Refused) as refused:
        messages.error(request, str(refused))
        return redirect("web:folders")
    messages.success(request, _("The folder “%(name)s” was made.") % {"name": row.name})
    return redirect("web:folder", row.id)


folders = by_method(get=index, post=create)


@require_GET
@member_required("recordings.view")
def names(request: TenantRequest) -> JsonResponse:
    """Answers a picker with the first names that have what was typed, `q`, and their ids.

    The private folder may not be there yet, and has no id then.
    """
    search, private = request.GET.get("q", "")[:LONGEST_FOLDER], service.private_label()
    rows = service.addable(request.actor, search)[:OFFERED]
    offered = {service.label(request.actor, row): str(row.id) for row in rows}
    if request.actor.may(service.ADD) and folded_name(search) in folded_name(private):
        offered = {private: "", **offered}
    return JsonResponse({"folders": offered})


@member_required("recordings.view")
def show(request: TenantRequest, folder_id: UUID) -> HttpResponse:
    row, actor = service.get(request.actor, folder_id), request.actor
    manages = service.may_manage(actor, row)
    context = {
        "folder": row,
        "label": service.label(actor, row),
        "count": Recording.objects.filter(folder=row, deleted_at=None).count(),
        "terms": terms.visible(actor, row).count(),
        "members": _with_links(actor, row, manages),
        "roles": FolderRole.choices,
        "manages": manages,
        "people": people_choices(actor) if manages else (),
        "longest": LONGEST_FOLDER,
        "section": "recordings",
    }
    return render(request, "web/folder.html", context)


def _with_links(actor: Actor, folder: Folder, manages: bool) -> list[tuple[FolderMember, list[Share]]]:
    """Returns the members with the links that end when they are removed, where the actor may remove them.

    Those of owners and admins, who see the folder anyway, don't.
    """
    made = dict[int | None, list[Share]]()
    for share in leavers.of_folder(folder) if folder.restricted else ():
        made.setdefault(share.created_by_id, []).append(share)
    own = actor.member.id if actor.member else None
    rows = list(service.members(actor, folder.id))
    told = [one for one in rows if (manages or one.member_id == own) and one.member.role not in OVERSEERS]
    return [(one, made.get(one.member.user_id, []) if one in told else []) for one in rows]


@makers_only
def change(request: TenantRequest, folder_id: UUID) -> HttpResponse:
    try:
        restricted = request.POST.get("access") == "restricted" if "access" in request.POST else None
        service.change(request.actor, folder_id, request.POST.get("name"), restricted)
    except InvalidOption as invalid:
        messages.error(request, str(invalid))
    else:
        messages.success(request, _("Saved."))
    return redirect("web:folder", folder_id)


folder = by_method(get=show, post=change)


@require_POST
@makers_only
def delete(request: TenantRequest, folder_id: UUID) -> HttpResponse:
    try:
        row = service.delete(request.actor, folder_id)
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("web:folder", folder_id)
    messages.success(request, _("The folder “%(name)s” was deleted.") % {"name": row.name})
    return redirect("web:folders")


@require_POST
@makers_only
def set_member(request: TenantRequest, folder_id: UUID) -> HttpResponse:
    try:
        service.set_member(request.actor, folder_id, request.POST.get("email", ""), request.POST.get("role", ""))
    except (InvalidOption, Refused) as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Saved."))
    return redirect("web:folder", folder_id)


@require_POST
@member_required("recordings.view")
def remove_member(request: TenantRequest, folder_id: UUID, member_id: int) -> HttpResponse:
    try:
        with transaction.atomic():
            left = service.remove_member(request.actor, folder_id, member_id)
            keeps = request.POST.get("links") == KeyDecision.KEEP and left.member != request.actor.member
            decision = KeyDecision.KEEP if keeps else KeyDecision.REVOKE
            leavers.settle_of_folder(request.actor, left.folder, left.member, decision)
    except InvalidOption as invalid:
        messages.error(request, str(invalid))
        return redirect("web:folder", folder_id)
    messages.success(request, _("Removed from the folder."))
    is_there = service.visible(request.actor).filter(id=folder_id).exists()
    return redirect("web:folder", folder_id) if is_there else redirect("web:folders")


@require_POST
@member_required(moving.PERMISSION)
def move(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    """Moves a recording to the folder that the field `folder` names, or out of any where it says so."""
    library.recording(request.actor, recording_id, permission=moving.PERMISSION)
    try:
        into = service.moved_to(request.actor, request.POST.get("folder", ""))
        before = moving.move(request.actor, recording_id, into)
    except (InvalidOption, Refused) as refused:
        messages.error(request, str(refused))
        return redirect("web:recording", recording_id)
    if into is None:
        text = _("It is in no folder any more: all members see it.")
    else:
        text = _("Moved to “%(name)s”.") % {"name": service.label(request.actor, into)}
    moved_with_undo(request, text, recording_id, before)
    return redirect("web:recording", recording_id)


def library_context(actor: Actor, chosen: str) -> dict[str, Any]:
    """Returns the folders that the library shows, the chosen one among them, and whether to upload to it."""
    rows = list(service.visible(actor)[: SHOWN_FIRST + 1])
    shown = rows[:SHOWN_FIRST]
    current = service.named(actor, chosen)
    if current is not None and current not in shown:
        shown = [current, *shown[: SHOWN_FIRST - 1]]
    return {
        "folders": [(row, service.label(actor, row)) for row in shown],
        "has_more_folders": len(rows) > SHOWN_FIRST,
        "folder": current,
        "folder_label": service.label(actor, current) if current else "",
        "upload_folder": current if current and service.may_add(actor, current) else None,
    }

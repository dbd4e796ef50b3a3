"""Tags and favourites: on a recording, in the list, and on the page of all tags."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from portal.web.access import TenantRequest, member_required
from transcription.errors import InvalidOption, Refused
from transcription.folders.visibility import seen
from transcription.library import recordings as library
from transcription.library import tags
from transcription.models import Recording
from transcription.models.tag import COLOURS, LONGEST

editors_only = member_required(tags.PERMISSION)


@require_GET
@member_required("recordings.view")
def index(request: TenantRequest) -> HttpResponse:
    counted = Count("taggings", filter=seen(request.actor, "taggings__recording"))
    rows = list(tags.visible(request.actor).annotate(count=counted))
    context = {"tags": rows, "colours": range(COLOURS), "longest": LONGEST, "section": "recordings"}
    return render(request, "web/tags.html", context)


@require_POST
@editors_only
def change(request: TenantRequest, tag_id: UUID) -> HttpResponse:
    colour = request.POST.get("colour", "")
    try:
        chosen = int(colour) if colour.isascii() and colour.isdigit() and len(colour) < 4 else None
        tags.change(request.actor, tag_id, request.POST.get("name"), chosen)
    except InvalidOption as invalid:
        messages.error(request, str(invalid))
    else:
        messages.success(request, _("Saved."))
    return redirect("web:tags")


@require_POST
@editors_only
def merge(request: TenantRequest, tag_id: UUID) -> HttpResponse:
    tag = tags.get(request.actor, tag_id)
    into = tags.named(request.actor, request.POST.get("into", ""))
    if into is None:
        messages.error(request, _("There is no such tag to merge it into."))
        return redirect("web:tags")
    try:
        tags.merge(request.actor, tag.id, into.id)
    except InvalidOption as invalid:
        messages.error(request, str(invalid))
    else:
        messages.success(request, _("“%(tag)s” is part of “%(into)s” now.") % {"tag": tag, "into": into})
    return redirect("web:tags")


@require_POST
@editors_only
def delete(request: TenantRequest, tag_id: UUID) -> HttpResponse:
    tag = tags.get(request.actor, tag_id)
    try:
        tags.delete(request.actor, tag_id)
    except InvalidOption as invalid:
        messages.error(request, str(invalid))
    else:
        messages.success(request, _("“%(tag)s” was deleted. The recordings are as they were.") % {"tag": tag})
    return redirect("web:tags")


@require_POST
@editors_only
def put(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    problem = ""
    try:
        tags.put(request.actor, recording_id, request.POST.get("name", ""))
    except (InvalidOption, Refused) as refused:
        problem = str(refused)
    return _answer(request, recording_id, "web/_tags.html", problem)


@require_POST
@editors_only
def take(request: TenantRequest, recording_id: UUID, tag_id: UUID) -> HttpResponse:
    tags.take(request.actor, recording_id, tag_id)
    return _answer(request, recording_id, "web/_tags.html")


@require_POST
@member_required("recordings.view")
def favourite(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    tags.mark(request.actor, recording_id, bool(request.POST.get("favourite")))
    return _answer(request, recording_id, "web/_star.html")


def _answer(request: TenantRequest, recording_id: UUID, template: str, problem: str = "") -> HttpResponse:
    """Answers scripts with the part of the page that has changed, and others with the page."""
    if request.headers.get("X-Requested-With") != "XMLHttpRequest":
        if problem:
            messages.error(request, problem)
        return (
            redirect("web:recordings")
            if request.POST.get("from") == "list"
            else redirect("web:recording", recording_id)
        )
    row = library.recording(request.actor, recording_id)
    return render(request, template, context_of(request, row) | {"problem": problem, "recording": row})


def context_of(request: TenantRequest, row: Recording) -> dict[str, object]:
    """Returns what the tags and the star of a recording's page are drawn from."""
    return {
        "tags": row.tags,
        "all_tags": tags.visible(request.actor) if request.actor.may(tags.PERMISSION) else (),
        "longest_tag": LONGEST,
        "favourites": tags.favourites_among(request.actor, [row]),
    }

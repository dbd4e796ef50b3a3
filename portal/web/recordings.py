"""The list of recordings, and the page of one."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from portal.http.outage import RETRY_HEADERS
from portal.http.receiving import UploadRefused
from portal.http.statuses import status_of
from portal.http.uploads import Upload, received
from portal.web import beside, saved_views, shares
from portal.web.access import TenantRequest, by_method, member_required
from portal.web.folders import library_context
from portal.web.forms import OptionsForm, RehearingForm, new_options
from portal.web.library_choices import choices, filter_form, remember
from portal.web.media import PICTURES
from portal.web.speakers import shares_of
from portal.web.tags import context_of
from portal.web.transcript_lines import LINE_FIELDS, Line, is_voiced, lines_of, some_lines
from portal.web.undo import renamed_with_undo, success_with_undo
from tenants.access import Actor
from transcription import exports, search
from transcription.errors import InvalidOption, Refused
from transcription.folders import folders
from transcription.intake import accept, idempotency
from transcription.intake.request import CallContext
from transcription.library import read_audit, renaming, retention, retention_settings, tags, texts
from transcription.library import recordings as library
from transcription.library.filters import MOST_COUNTED, Filter
from transcription.media.warnings import warnings_of
from transcription.models import MAIN, Recording, Segment, Status, Transcription
from transcription.options import audio_tracks, engines
from transcription.options.options import TranscriptionOptions
from transcription.queue import eta
from transcription.strikes import redacted_segments, spans_of
from transcription.transcripts import checks, striking

ON_A_PAGE = 25
LONGEST_NUMBER = 8
MOST_AT_ONCE = 400
"""Segments of a transcript that its page has from the beginning; of a longer one AT_FIRST, the rest comes later."""
AT_FIRST = 60
UPLOAD_STATUS = {"too_large": 413, "no_room": 507, "unavailable": 503}


@member_required("recordings.view")
def index(request: TenantRequest) -> HttpResponse:
    context = _list_context(request)
    context |= choices(request.actor, context["filters"])
    context |= library_context(request.actor, context["filters"].wanted.folder)
    context |= {"views": saved_views.shown_to(request.actor)}
    context |= {"options": new_options(request.actor.tenant)}
    return remember(request, render(request, "web/recordings.html", context), context["filters"])


@require_GET
@member_required("recordings.view")
def rows(request: TenantRequest) -> HttpResponse:
    context = _list_context(request)
    return remember(request, render(request, "web/_rows.html", context), context["filters"])


@require_GET
@member_required("recordings.view")
def row_menu(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    """Answers with what the menu of a row of the list offers, which the row itself would have 25 times in vain."""
    row = library.recording(request.actor, recording_id)
    return render(request, "web/_row_menu.html", {"recording": row, "transcription": row.latest})


@member_required("recordings.create")
def upload(request: TenantRequest) -> JsonResponse:
    try:
        sent = received(request)
        key = idempotency.checked_key(request.headers.get("Idempotency-Key"))
        call = CallContext(endpoint=request.path, key=key)
        options = TranscriptionOptions.from_fields({name: sent.field(name) for name in sent.fields})
        folder = folders.chosen(request.actor, sent.field("folder"))
        transcription = accept.accept(request.actor, sent, options, _source(sent), call, folder)
    except UploadRefused as refused:
        return _problem(refused.code, _upload_message(refused), UPLOAD_STATUS.get(refused.code, 400))
    except Refused as refused:
        return _problem(refused.code, refused.message, status_of(refused.code))
    except InvalidOption as invalid:
        return _problem(invalid.code, str(invalid), 400)
    answer = {
        "recording": str(transcription.recording_id),
        "transcription": str(transcription.id),
        "url": reverse("web:recording", args=[transcription.recording_id]),
    }
    return JsonResponse(answer, status=201)


recordings = by_method(get=index, post=upload)


@require_GET
@member_required("recordings.view")
def recording(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    row = library.recording(request.actor, recording_id)
    latest = row.latest
    original = request.actor.may(striking.PERMISSION)
    context = _page_context(request.actor, row, latest, original=original)
    context |= context_of(request, row) | shares.context_of(request, row)
    context["editable"] = _is_editable(request, latest)
    may_hear = request.actor.may("recordings.create") and row.audio_deleted_at is None
    context["may_rehear"] = context["editable"] and may_hear
    context["may_translate"] = may_hear and latest is not None and beside.offers_translation(latest)
    context["has_beside"] = latest is not None and (context["may_translate"] or bool(exports.beside.others(latest)))
    if context["segments"]:
        read_audit.read(request.actor, context["transcription"], "page")
    return render(request, "web/recording.html", context)


@require_POST
@member_required("recordings.delete")
def delete(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    try:
        deleted = library.delete(request.actor, recording_id)
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect("web:recording", recording_id)
    success_with_undo(request, _("“%(name)s” was deleted.") % {"name": deleted.name}, deleted.id)
    return redirect("web:recordings")


@require_POST
@member_required(renaming.PERMISSION)
def rename(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    try:
        before, name = renaming.rename(request.actor, recording_id, request.POST.get("name", ""))
    except InvalidOption as invalid:
        messages.error(request, str(invalid))
    else:
        if name != before:
            renamed_with_undo(request, _("Renamed to “%(name)s”.") % {"name": name}, recording_id, before)
    return redirect("web:recordings") if request.POST.get("from") == "list" else redirect("web:recording", recording_id)


@require_POST
@member_required("recordings.delete")
def restore(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    restored = library.restore(request.actor, recording_id)
    messages.success(request, _("“%(name)s” is back.") % {"name": restored.name})
    return redirect("web:bin" if request.POST.get("from") == "bin" else "web:recordings")


@require_POST
@member_required("recordings.create")
def again(request: TenantRequest, recording_id: UUID) -> HttpResponse:
    row = library.recording(request.actor, recording_id)
    latest, known = row.latest, {one.pk for one in texts.finished(row)}
    try:
        made = accept.transcribe_again(request.actor, row, TranscriptionOptions.from_fields(request.POST.dict()))
    except (Refused, InvalidOption) as refused:
        messages.error(request, str(refused))
        return redirect("web:recording", recording_id)
    if made == latest and made.pk in known:
        messages.info(request, _("This is the text for these options already."))
    elif made.pk in known:
        messages.success(request, _shown_again(made))
    elif made.status == Status.COMPLETED:
        messages.success(request, _("The text for these options was known: it is here, and nothing was charged."))
    return redirect("web:recording", recording_id)


@require_POST
@member_required(texts.PERMISSION)
def choose(request: TenantRequest, transcription_id: UUID) -> HttpResponse:
    row = library.transcription(request.actor, transcription_id, MAIN)
    try:
        texts.choose(request.actor, transcription_id)
    except Refused as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, _shown_again(row))
    return redirect("web:recording", row.recording_id)


def _shown_again(row: Transcription) -> str:
    if row.revision:
        return _("An earlier text is shown again, with its corrections. Nothing was charged.")
    return _("An earlier text is shown again. Nothing was charged.")


def _list_context(request: TenantRequest) -> dict[str, Any]:
    filters = filter_form(request)
    wanted = filters.wanted
    order = filters.chosen("order")
    asked = request.GET.get("page", "")
    number = int(asked) if asked.isdecimal() and 0 < len(asked) < LONGEST_NUMBER else 1
    page = library.listing(request.actor, wanted, order, max(1, number), ON_A_PAGE)
    return {
        "filters": filters,
        "order": order,
        "filtered": wanted != Filter(by=wanted.by),
        "most_counted": MOST_COUNTED,
        "elsewhere": 0 if page.rows else _elsewhere(request, wanted),
        "page": page,
        "favourites": tags.favourites_among(request.actor, page.rows),
        "checked": checks.checked_of(latest for row in page.rows if (latest := row.latest)),
        "passages": _passages(request.actor, wanted.search, page.rows),
        "section": "recordings",
    }


def _passages(actor: Actor, query: str, rows: list[Recording]) -> dict[UUID, list[search.Match]]:
    """Returns where a search's words stand in the latest transcriptions of recordings, by the transcription's id."""
    found = search.matches_in(rows, search.terms_of(query))
    if found:
        read_audit.listed(actor, [*found])
    return found


def _elsewhere(request: TenantRequest, wanted: Filter) -> int:
    """Returns how many recordings match that are not shown, since others added them, one more than counted at most."""
    anybody = replace(wanted, by="", key="", owner="", source="")
    return library.recordings(request.actor, anybody)[: MOST_COUNTED + 1].count() if anybody != wanted else 0


def _page_context(actor: Actor, row: Recording, latest: Transcription | None, *, original: bool) -> dict[str, Any]:
    """original: with the words that are struck."""
    total = latest.segments.count() if latest else 0
    is_long = latest is not None and latest.status == Status.COMPLETED and total > MOST_AT_ONCE
    segments = _segments(latest, AT_FIRST) if is_long else _segments(latest)
    lines: list[Line] = []
    if latest and latest.is_over:
        if is_long:
            lines = some_lines(latest, 0, AT_FIRST - 1, original=original)
        else:
            lines = lines_of(latest, segments, original=original)
    return {
        "total": total,
        "is_long": is_long,
        "recording": row,
        "transcription": latest,
        "segments": segments,
        "text_so_far": redacted_segments(segments, spans_of(latest)) if latest and not latest.is_over else [],
        "lines": lines,
        "voiced": latest is not None and is_voiced(latest),
        "shares": shares_of(latest) if latest else [],
        "to_check": sum(line.is_to_check for line in lines),
        "has_unsure_words": any(line.unsure for line in lines),
        "place": eta.place_in_queue(latest) if latest else None,
        "is_loading": latest is not None and engines.is_loading_for(latest),
        "rehear": RehearingForm.like(latest) if latest else None,
        "texts": [(one, beside.label(one)) for one in texts.finished(row)],
        "named": latest.speaker_set.exclude(name="").count() if latest else 0,
        "again": OptionsForm.like(latest) if latest else OptionsForm(auto_id="again_%s"),
        "warnings": warnings_of(latest) if latest and latest.status == Status.COMPLETED else [],
        "other_tracks": audio_tracks.others(latest) if latest else [],
        "reused": latest is not None and latest.is_reused,
        "source": library.source_of(actor, latest) if latest else None,
        "no_audio": retention.why_no_audio(row) if row.audio_deleted_at else "",
        "no_text": retention.why_no_text(latest) if latest and latest.text_deleted_at else "",
        "audio_ends": retention_settings.audio_ends(row),
        "text_ends": retention_settings.text_ends(row, latest),
        "checked": checks.checked(latest).sentence if latest else "",
        "may_have_picture": row.format in PICTURES and (original or not row.struck),
        "hears_redacted": bool(row.struck) and not original,
        "section": "recordings",
    }


def _is_editable(request: TenantRequest, latest: Transcription | None) -> bool:
    has_text = latest is not None and latest.status == Status.COMPLETED and latest.text_deleted_at is None
    return has_text and request.actor.may("transcripts.edit")


def _segments(transcription: Transcription | None, most: int | None = None) -> list[Segment]:
    return list(transcription.segments.only(*LINE_FIELDS)[:most]) if transcription else []


def _source(sent: Upload) -> str:
    microphone = Recording.Source.MICROPHONE
    return microphone if sent.field("source") == microphone else Recording.Source.UPLOAD


def _upload_message(refused: UploadRefused) -> str:
    if refused.code == "too_large":
        limit = filesizeformat(refused.limit)
        return _("The file is larger than the %(limit)s your organisation allows. Split or compress it.") % {
            "limit": limit
        }
    if refused.code == "no_file":
        return _("No file arrived. Choose one and try again.")
    if refused.code == "no_room":
        return _("The server has no room for this upload. Please tell your administrator.")
    if refused.code == "unavailable":
        return _("The portal is starting again. Please try in a moment.")
    return _("The upload arrived incomplete. Please try again.")


def _problem(code: str, message: str, status: int) -> JsonResponse:
    headers = RETRY_HEADERS if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JsonResponse({"error": {"code": code, "message": message}}, status=status, headers=headers)

"""Another text beside a transcript on its page: which there are, their lines, and a translation that is asked for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import JsonResponse
from django.template.defaultfilters import date as date_format
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.http import require_GET

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.languages import language_name
from portal.web.script_errors import nothing_without_text, script_errors
from transcription import exports
from transcription.errors import reason_for_people
from transcription.intake import translation
from transcription.library import read_audit
from transcription.models import Status, Task, Transcription
from transcription.transcripts import editing


@member_required("recordings.view")
@nothing_without_text
def show(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Answers with the texts that can stand beside, and the translation that was asked for last, if it isn't there."""
    return JsonResponse(_state(editing.transcript(request.actor, transcription_id)))


@member_required("recordings.create")
@script_errors(gone=gettext_lazy("There is no text to translate. Reload the page."))
def translate(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Asks for a translation into English, and answers as `show` does, with the id of the one that was `asked` for."""
    asked = translation.ask(request.actor, transcription_id)
    state = _state(editing.transcript(request.actor, transcription_id)) | {"asked": str(asked.id)}
    return JsonResponse(state, status=201)


texts = by_method(get=show, post=translate)


@require_GET
@member_required("recordings.view")
@nothing_without_text
def lines(request: TenantRequest, transcription_id: UUID, other_id: UUID) -> JsonResponse:
    """Answers with the segments of another text of the recording: start and end in seconds, and the text."""
    other = exports.beside.other(editing.transcript(request.actor, transcription_id), other_id)
    read_audit.read(request.actor, other, "page")
    shown = exports.beside.shown_beside(other)
    found = [[one.start, one.end, text] for one in shown if (text := " ".join(one.text.split()))]
    return JsonResponse({"language": exports.text_language(other), "lines": found})


def offers_translation(row: Transcription) -> bool:
    """Returns whether a text may be in another language than English."""
    return row.task == Task.TRANSCRIBE and exports.text_language(row) != "en"


def _state(row: Transcription) -> dict[str, Any]:
    found = exports.beside.others(row)
    labels = [label(one) for one in found]
    asked = row.translations.order_by("-created_at").first()
    texts = [
        {
            "id": str(one.id),
            "label": said if labels.count(said) == 1 else f"{said}, {_day(one)}",
            "address": reverse("web:beside", args=[row.id, one.id]),
            "translates": one.translates_id == row.id,
        }
        for one, said in zip(found, labels, strict=True)
    ]
    under_way = None
    if asked is not None and asked.status not in (Status.COMPLETED, Status.CANCELLED):
        under_way = {"status": asked.status, "percent": asked.percent}
        under_way |= {"error": reason_for_people(asked.error_code)} if asked.status == Status.FAILED else {}
        under_way |= {"cancel": reverse("web:cancel", args=[asked.id])}
    return {"texts": texts, "under_way": under_way}


def label(row: Transcription) -> str:
    """Returns a text's language and what else tells it from the others."""
    language = language_name(exports.text_language(row)) or _("Unknown language")
    what = _("translation") if row.task == Task.TRANSLATE else row.model
    return f"{language} ({what})"


def _day(row: Transcription) -> str:
    return date_format(timezone.localtime(row.created_at), pgettext("date format", "j F Y"))

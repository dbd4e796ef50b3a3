"""What a change of a transcript leaves on its page: the lines that it put there, as HTML."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Max, Min
from django.http import JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from portal.web.access import TenantRequest, member_required
from portal.web.script_errors import nothing_without_text
from portal.web.scripts import COMPACT, MOST_LINES, indexes_of, problem
from portal.web.transcript_lines import LINE_FIELDS, Line, is_voiced, lines_of, some_lines
from portal.web.transcript_outline import lines_at, outline_of
from transcription.library import read_audit
from transcription.models import Revision, Transcription
from transcription.transcripts import editing, striking


@require_GET
@member_required("recordings.view")
@nothing_without_text
def lines(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Answers with the lines of a transcript, or of the segments with the indexes `at`; with its `outline` instead if
    that is asked for. With `since`, a revision, as `change_fields` does if only one came after it.
    """
    row = editing.transcript(request.actor, transcription_id)
    read_audit.read(request.actor, row, "page")
    if request.GET.get("since") == str(row.revision - 1):
        return JsonResponse(change_fields(request, row))
    original = request.actor.may(striking.PERMISSION)
    if "outline" in request.GET:
        fields = outline_of(row, original=original)
    else:
        at = indexes_of(request)
        shown = lines_at(row, at, original=original) if at else _all_lines(row, original=original)
        total = row.segments.count()
        fields = {"revision": row.revision, "total": total, "lines": _rendered(request, row, shown)}
    if not _is_current(row):
        return problem(503, _("The transcript changed just now. Try again."))
    return JsonResponse(fields, json_dumps_params=COMPACT)


def change_fields(request: TenantRequest, row: Transcription) -> dict[str, Any]:
    """Returns what the newest revision of `row`, the request's, changed on the page.

    From segment `first` on, `removed` of them went, and `lines` are in their place: those that were put there and the
    one after them, which may begin a turn now. `lines` is None where the page has to ask for all of them, because
    there are many, or because somebody else changed the transcript meanwhile. `speakers` says whether names, or whose
    lines are, changed; `strikes`, whether something was struck or given back.
    """
    revision = Revision.objects.filter(transcription=row, number=row.revision).first()
    if revision is None:
        return {"revision": row.revision, "first": 0, "removed": 0, "added": 0, "lines": "", "speakers": False}
    first, removed, added = revision.first, len(revision.before), revision.added
    if revision.changed:
        removed = added = max(map(int, revision.changed)) - first + 1
    moves_strikes = bool(revision.struck) and bool(removed or added)  # lines elsewhere look otherwise, too
    if revision.struck and not moves_strikes:
        first, removed = _touched(row, revision.struck)
        added = removed
    fields: dict[str, Any] = {"revision": row.revision, "first": first, "removed": removed, "added": added}
    fields["lines"] = None
    fields |= {"speakers": bool(revision.speakers or revision.names), "strikes": bool(revision.struck)}
    if max(removed, added) <= MOST_LINES and not moves_strikes:
        original = request.actor.may(striking.PERMISSION)
        last = first + added
        shown = some_lines(row, first, last, original=original, between=True) if removed or added else []
        if _is_current(row):
            fields["lines"] = _rendered(request, row, shown)
    return fields


def _all_lines(row: Transcription, *, original: bool) -> list[Line]:
    return lines_of(row, list(row.segments.only(*LINE_FIELDS)), original=original)


def _touched(row: Transcription, struck: dict[str, list[list[float]]]) -> tuple[int, int]:
    """Returns the first of the segments that lie beside struck seconds, and how many they are."""
    spans = [span for part in struck.values() for span in part]
    edges = {"end__gte": min(span[0] for span in spans), "start__lte": max(span[1] for span in spans)}
    found = row.segments.filter(**edges).aggregate(first=Min("index"), last=Max("index"))
    return (found["first"], found["last"] - found["first"] + 1) if found["first"] is not None else (0, 0)


def _is_current(row: Transcription) -> bool:
    """Returns whether what was just read is of the row's revision."""
    return Transcription.objects.filter(id=row.id, revision=row.revision).exists()


def _rendered(request: TenantRequest, row: Transcription, shown: list[Line]) -> str:
    context = {"lines": shown, "voiced": is_voiced(row), "editable": request.actor.may("transcripts.edit")}
    return render_to_string("web/_lines.html", context, request)

"""The page of a transcript's corrections."""

from __future__ import annotations

from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.web.access import TenantRequest, member_required
from portal.web.script_errors import nothing_without_text
from transcription.library import read_audit
from transcription.transcripts import editing, striking
from transcription.transcripts import history as past

ON_A_PAGE = 20


@require_GET
@member_required("recordings.view")
@nothing_without_text
def history(request: TenantRequest, transcription_id: UUID) -> HttpResponse:
    """Shows the corrections, newest first, and the machine's text at the end."""
    row = editing.transcript(request.actor, transcription_id)
    state = past.current_state(row)
    page = Paginator(past.kept_revisions(row, state), ON_A_PAGE).get_page(request.GET.get("page"))
    changes = past.changes(row, state, list(page.object_list))
    read_audit.read(request.actor, row, "history")
    context = {
        "recording": row.recording,
        "transcription": row,
        "now": state.revision,
        "page": page,
        "changes": changes,
        "is_whole": not changes or changes[-1].revision.number == 1,
        "editable": request.actor.may("transcripts.edit"),
        "hides_words": bool(row.recording.struck) and not request.actor.may(striking.PERMISSION),
        "section": "recordings",
    }
    return render(request, "web/history.html", context)

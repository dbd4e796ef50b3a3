"""The subtitles of a transcript on its page, as files have them: where each cue is, how wide its lines are."""

from __future__ import annotations

from uuid import UUID

from django.http import JsonResponse
from django.views.decorators.http import require_GET

from portal.web.access import TenantRequest, member_required
from portal.web.script_errors import nothing_without_text, script_errors
from portal.web.transcriptions import text_beside
from transcription import exports
from transcription.exports import Cue, Layout
from transcription.library import read_audit
from transcription.scripts import width
from transcription.transcripts import editing


@require_GET
@member_required("recordings.view")
@script_errors()
@nothing_without_text
def cues(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Answers with the cues of a layout, with the text `beside` where one is named, without what is struck.

    Each has its start and end in seconds, its lines, those beside, the columns of each line of both, and the index of
    its segment. `beside` is the language of the text beside.
    """
    row = editing.transcript(request.actor, transcription_id)
    layout = Layout.checked(request.GET.get("max_line_length"), request.GET.get("max_lines")) or Layout()
    beside = text_beside(row, request.GET.get("beside", ""))
    found = exports.cues_of(row, layout, beside)
    for one in (row, beside) if beside else (row,):
        read_audit.read(request.actor, one, "page")
    language = exports.text_language(beside) if beside else ""
    return JsonResponse({"cues": [_fields(cue) for cue in found], "beside": language})


def _fields(cue: Cue) -> list[object]:
    widths, beside = [width(line) for line in cue.lines], [width(line) for line in cue.beside]
    return [cue.start, cue.end, cue.lines, cue.beside, widths, beside, cue.segment]

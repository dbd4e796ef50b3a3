"""Names, merges and reassigns the speakers of a transcript on its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.script_errors import CHANGED, nothing_without_text, script_errors
from portal.web.scripts import body_of, number_of, problem, tag_of
from transcription.errors import InvalidOption
from transcription.library import read_audit, recordings
from transcription.models import Speaker, Transcription
from transcription.transcripts import editing
from transcription.transcripts import speakers as voices
from transcription.transcripts.revisions import Stale, list_tag


@dataclass(frozen=True)
class ShownShare:
    """A speaker with their seconds, and the percentage of what all speakers speak."""

    speaker: Speaker
    seconds: float
    percent: int


@member_required("recordings.view")
@nothing_without_text
def show(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    row = editing.transcript(request.actor, transcription_id)
    read_audit.read(request.actor, row, "page")
    return JsonResponse(_state(request, row))


@member_required("transcripts.edit")
@script_errors(gone=gettext_lazy("The speakers can’t be changed any more. Reload the page."))
def change(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Takes JSON with what to `do` and the displayed transcript's `etag`; answers 412 with what stands there now."""
    recordings.transcription(request.actor, transcription_id)  # other tenants get 404 before any other error
    try:
        row = _changed(request, transcription_id, body_of(request))
    except Stale:
        current = editing.transcript(request.actor, transcription_id)
        return problem(412, str(CHANGED), now=_state(request, current))
    return JsonResponse(_state(request, row))


speakers = by_method(get=show, post=change)


def shares_of(row: Transcription) -> list[ShownShare]:
    """Returns the speakers of a transcript by how long they speak."""
    shares = voices.shares(row)
    whole = sum(share.seconds for share in shares) or 1.0
    shown = [ShownShare(share.speaker, share.seconds, round(100 * share.seconds / whole)) for share in shares]
    return sorted(shown, key=lambda share: -share.seconds)


def _changed(request: TenantRequest, transcription_id: UUID, body: dict[str, Any]) -> Transcription:
    actor, tags = request.actor, {tag_of(body)}
    match body.get("do"):
        case "rename":
            return voices.rename(actor, transcription_id, number_of(body, "speaker"), body.get("name"), tags)
        case "merge":
            return voices.merge(actor, transcription_id, number_of(body, "speaker"), number_of(body, "into"), tags)
        case "assign":
            is_new, nobody = body.get("into") == "new", body.get("into") == ""
            speaker = None if is_new or nobody else number_of(body, "into")
            lines = (number_of(body, "first"), number_of(body, "last"))
            return voices.assign(actor, transcription_id, *lines, speaker, tags, is_new)
    message = _("“%(name)s” must be one of: %(expected)s.")
    raise InvalidOption("do", message % {"name": "do", "expected": "rename, merge, assign"})


def _state(request: TenantRequest, row: Transcription) -> dict[str, Any]:
    """Returns what the page shows of speakers: the list as HTML, each speaker, and each segment's speaker."""
    shares = shares_of(row)
    context = {"shares": shares, "editable": request.actor.may("transcripts.edit"), "transcription": row}
    return {
        "etag": list_tag(row),
        "list": render_to_string("web/_speakers.html", context, request),
        "speakers": {
            share.speaker.index: {"label": share.speaker.label, "colour": share.speaker.colour} for share in shares
        },
        "segments": list(row.segments.values_list("speaker", flat=True)),
    }

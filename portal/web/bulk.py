"""The same done to recordings that are selected, or to all that the library shows.

Each request takes a second or so: the page's script asks again, from where the last one ended.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, JsonResponse, StreamingHttpResponse
from django.utils.dateparse import parse_datetime
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, member_required
from portal.web.forms import FilterForm
from portal.web.script_errors import script_errors
from portal.web.scripts import body_of, problem
from tenants import announcements, quota
from tenants.access import Actor
from transcription.connections import stream
from transcription.errors import InvalidOption, Refused
from transcription.exports import WRITERS
from transcription.exports.zips import zip_of
from transcription.folders import folders
from transcription.intake import accept
from transcription.library import bulk, moving, tags
from transcription.library import recordings as library
from transcription.library.bulk import Part
from transcription.models import Recording, Tag
from transcription.options.options import TranscriptionOptions
from transcription.search import Cursor

MOST_IDS = 1000


@require_POST
@member_required(tags.PERMISSION)
def act(request: TenantRequest) -> JsonResponse:
    """Takes JSON with an `action`, `ids` or the library's `filters`, and the `cursor` of the last answer.

    Answers with the ids that it was done to, the names of those that it was refused for and why, and the next cursor.
    """
    body = body_of(request)
    try:
        after = Cursor.parse(str(body["cursor"])) if body.get("cursor") else None
        part = _acted(request.actor, body, after)
    except (InvalidOption, Refused) as refused:
        return problem(400, str(refused))
    except ValueError:
        raise Http404 from None
    answer = {"done": [str(one) for one in part.done], "failed": [vars(failure) for failure in part.failed]}
    if part.before:
        answer["before"] = {str(moved): str(folder or folders.NOWHERE) for moved, folder in part.before.items()}
    return JsonResponse(answer | {"cursor": str(part.cursor) if part.cursor else None})


@require_POST
@member_required("recordings.view")
@script_errors()
def count(request: TenantRequest) -> JsonResponse:
    """Takes JSON with `ids` or `filters`; answers with how many there are and what transcribing them again may cost."""
    found, seconds, without_audio = bulk.totals(_selected(request.actor, body_of(request)))
    left = quota.snapshot(request.actor.tenant).left_seconds
    most = seconds + found  # each counts in whole seconds
    answer = {"count": found, "minutes": -(-int(most) // 60), "left": left // 60, "without_audio": without_audio}
    return JsonResponse(answer)


@require_POST
@member_required("recordings.view")
def export(request: TenantRequest) -> StreamingHttpResponse | JsonResponse:
    """Sends the transcripts as one zip, made while it is sent. The field `selection` has what `act` takes as JSON."""
    format = request.POST.get("format", "")
    try:
        selection = json.loads(request.POST.get("selection", ""))
        rows = _selected(request.actor, selection if isinstance(selection, dict) else {})
    except (InvalidOption, ValueError, RecursionError) as invalid:
        return problem(400, str(invalid))
    if format not in WRITERS:
        raise Http404
    chunks = stream(request.actor.tenant.id, zip_of(request.actor, bulk.every(request.actor, rows), format))
    disposition = content_disposition_header(True, "transcripts.zip") or "attachment"
    headers = {"Content-Disposition": disposition, "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(chunks, content_type="application/zip", headers=headers)


def _acted(actor: Actor, body: dict[str, Any], after: Cursor | None) -> Part:
    """Raises InvalidOption and Refused where it can be done to none at all, and ReadingOnly."""
    action = body.get("action")
    if action not in ("restore", "delete"):
        announcements.require_changes(actor)
    if action == "restore":
        return _restored(actor, _ids(body))
    rows = _selected(actor, body)
    if action in ("tag", "untag"):
        tag = _tag(actor, str(body.get("name", "")), make=action == "tag")
        return bulk.put_tag(actor, rows, after, tag, off=action == "untag")
    if action == "move":
        actor.require(moving.PERMISSION)
        into = folders.moved_to(actor, str(body.get("folder", "")))
        return bulk.move(actor, rows, after, into)
    if action == "delete":
        actor.require("recordings.delete")
        return bulk.carry_out(rows, after, lambda row: library.delete(actor, row.id))
    if action == "again":
        actor.require("recordings.create")
        sent = body.get("options")
        fields = {name: str(value) for name, value in sent.items()} if isinstance(sent, dict) else {}
        options = TranscriptionOptions.from_fields(fields)
        return bulk.carry_out(rows, after, lambda row: accept.transcribe_again(actor, row, options))
    raise InvalidOption("action", _("Choose what to do."))


def _restored(actor: Actor, ids: list[UUID]) -> Part:
    """Brings back as many as a second lets: the first ones."""
    part, ends_at = Part(), time.monotonic() + bulk.SECONDS
    for recording_id in ids:
        if time.monotonic() > ends_at:
            break
        try:
            library.restore(actor, recording_id)
            part.done.append(recording_id)
        except (Http404, PermissionDenied) as gone:
            part.failed.append(bulk.Failure("", str(gone)))
    return part


def _tag(actor: Actor, name: str, *, make: bool) -> Tag:
    """Raises InvalidOption."""
    if make:
        return tags.create(actor, name)[0]
    found = tags.named(actor, name)
    if found is None:
        raise InvalidOption("name", _("There is no such tag."))
    return found


def _selected(actor: Actor, body: dict[str, Any]) -> QuerySet[Recording]:
    """Raises InvalidOption."""
    filters = body.get("filters")
    if isinstance(filters, dict):
        form = FilterForm({name: str(value) for name, value in filters.items()})
        return library.recordings(actor, replace(form.wanted, created_before=_until(body)))
    return library.recordings(actor).filter(id__in=_ids(body))


def _until(body: dict[str, Any]) -> datetime:
    """Returns when all that match were selected: nobody has seen what came since. Raises InvalidOption."""
    try:
        found = parse_datetime(str(body.get("until")))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidOption("until", _("“%(name)s” must be a time.") % {"name": "until"})
    return found


def _ids(body: dict[str, Any]) -> list[UUID]:
    """Raises InvalidOption."""
    sent = body.get("ids")
    try:
        if isinstance(sent, list) and 0 < len(sent) <= MOST_IDS:
            return [UUID(str(one)) for one in sent]
    except ValueError:
        pass
    raise InvalidOption("ids", _("Select from 1 to %(n)d recordings, or all that match.") % {"n": MOST_IDS})

"""Find and replace in many transcripts: what the library shows is looked through, and what is ticked is replaced.

Each request takes a second or so: the page's script asks again, from where the last one ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast
from uuid import UUID, uuid4

from django.forms import ChoiceField
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from portal.web.access import TenantRequest, member_required
from portal.web.forms import FilterForm
from portal.web.library_choices import choices, filter_form
from portal.web.script_errors import script_errors
from portal.web.scripts import body_of, number_of
from portal.web.substitution import search_of, skipped_of
from transcription.errors import InvalidOption
from transcription.folders import folders
from transcription.library import recordings
from transcription.search import Cursor
from transcription.transcripts import series
from transcription.transcripts.rewrites import Rule
from transcription.transcripts.series import MOST_SHOWN, MOST_TARGETS, Found, Target
from transcription.transcripts.terms import Correction, correction

OFFERED = ("search", "by", "status", "checked")
"""The filters that the page itself offers; the others come along from the library."""

editors_only = member_required(series.PERMISSION)


@require_GET
@editors_only
def substitutions(request: TenantRequest) -> HttpResponse:
    filters = filter_form(request)
    context: dict[str, Any] = {
        "filters": filters,
        "of_terms": "terms" in request.GET,
        "folder": folders.named(request.actor, filters.wanted.folder),
        "series": series.recent(request.actor),
    }
    context |= choices(request.actor, filters) | {"section": "recordings"}
    context["narrowed"] = _narrowed(
        filters, {"key": dict(context["keys"]), "owner": dict(context["people"]), "folder": _folder(request, filters)}
    )
    return render(request, "web/substitutions.html", context)


@require_POST
@editors_only
@script_errors()
def preview(request: TenantRequest) -> JsonResponse:
    """Takes JSON with what to find, the `filters` of the library, and the `cursor` of the last answer.

    Answers with transcripts and their first hits, none if `bare`, how many recordings were looked through, and the next
    cursor; the first answer also says how many there are, and names the series that may be made of it.
    """
    body = body_of(request)
    filters, rule = _filters(body), _rule(request, body)
    try:
        after = Cursor.parse(str(body["cursor"])) if body.get("cursor") else None
    except ValueError:
        raise Http404 from None
    seen = series.preview(
        request.actor, filters.wanted, rule, after, 0 if body.get("bare") is True else MOST_SHOWN, original=True
    )
    answer: dict[str, Any] = {"found": [_fields(one) for one in seen.found], "looked": seen.looked}
    answer |= {"cursor": str(seen.cursor) if seen.cursor else None}
    answer |= {"terms": rule.tag} if isinstance(rule, Correction) else {}
    if after is None:
        writable = recordings.recordings(request.actor, filters.wanted, permission=series.PERMISSION)
        total = writable.order_by().count()
        answer |= {"total": total, "series": str(uuid4())}
    return JsonResponse(answer)


@require_POST
@editors_only
@script_errors()
def replace(request: TenantRequest) -> JsonResponse:
    """Takes JSON with what to find and what it becomes, or `terms` as they were seen, `transcripts` and a `series`.

    Answers with what became of the first transcripts: the others are to be sent again.
    """
    body = body_of(request)
    outcomes = series.replace(request.actor, _rule(request, body), _targets(body), _id(body, "series"))
    return JsonResponse({"results": [{"transcription": str(row), "outcome": outcome} for row, outcome in outcomes]})


@require_POST
@editors_only
def undo(request: TenantRequest, series_id: UUID) -> JsonResponse:
    """Undoes the first transcripts of a series; answers with how many, and how many are left."""
    return JsonResponse(vars(series.undo(request.actor, series_id)))


def _folder(request: TenantRequest, filters: FilterForm) -> dict[str, str]:
    """Returns what the folder is called that the filters name."""
    wanted = filters.wanted.folder
    row = folders.named(request.actor, wanted)
    return {wanted: folders.label(request.actor, row) if row else _("In no folder")}


def _narrowed(filters: FilterForm, names: dict[str, dict[str, str]]) -> list[tuple[str, str, str]]:
    """Returns the library's other filters that count: field, value, and how that is called."""
    found = []
    for name, field in filters.fields.items():
        if name not in OFFERED and (value := getattr(filters.wanted, name, "")):
            called = (
                dict(cast("Iterable[tuple[str, str]]", field.choices))
                if isinstance(field, ChoiceField)
                else names.get(name, {})
            )
            found.append((name, value, str(called.get(value, value))))
    return found


def _fields(found: Found) -> dict[str, Any]:
    return {
        "transcription": str(found.row.id),
        "revision": found.row.revision,
        "name": found.row.recording.name,
        "url": reverse("web:recording", args=[found.row.recording_id]),
        "total": found.total,
        "hits": [vars(hit) for hit in found.hits],
    }


def _filters(body: dict[str, Any]) -> FilterForm:
    """Raises InvalidOption: the list passes over what it doesn't know, and here more would be replaced than meant."""
    sent = body.get("filters")
    chosen = {name: str(value) for name, value in sent.items()} if isinstance(sent, dict) else {}
    filters = FilterForm(chosen)
    is_whole = all(value == value.encode(errors="replace").decode() for value in chosen.values())
    if not is_whole or not filters.is_valid():  # half a character is no text of a database
        raise InvalidOption("filters", _("These filters are not known. Open this page from the list again."))
    return filters


def _rule(request: TenantRequest, body: dict[str, Any]) -> Rule:
    """Raises InvalidOption."""
    tag = body.get("terms")
    if tag is True:
        return Correction.in_sight(request.actor)
    return correction(request.actor, str(tag)) if tag else search_of(body)


def _targets(body: dict[str, Any]) -> list[Target]:
    """Raises InvalidOption."""
    sent = body.get("transcripts")
    if (
        not isinstance(sent, list)
        or not 0 < len(sent) <= MOST_TARGETS
        or not all(isinstance(one, dict) for one in sent)
    ):
        raise InvalidOption("transcripts", _("Send from 1 to %(n)d transcripts at once.") % {"n": MOST_TARGETS})
    return [Target(_id(one, "transcription"), number_of(one, "revision"), frozenset(skipped_of(one))) for one in sent]


def _id(body: dict[str, Any], name: str) -> UUID:
    """Raises InvalidOption."""
    try:
        return UUID(str(body.get(name)))
    except ValueError:
        raise InvalidOption(name, _("“%(name)s” must be an id.") % {"name": name}) from None

"""Proofreads a transcript on its page: what is to be checked, worst first, and the marks of what is right."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.changes import change_fields
from portal.web.script_errors import nothing_without_text, script_errors
from portal.web.scripts import body_of, number_of, tag_of
from portal.web.word_positions import units
from tenants.access import Actor
from transcription.errors import InvalidOption
from transcription.library import read_audit, recordings
from transcription.models import Segment, Transcription
from transcription.transcripts import checks, editing, learned_terms, proofreading, substitution
from transcription.transcripts.alike import search_of
from transcription.transcripts.checks import Checked
from transcription.transcripts.doubts import FIGURES, doubts_of
from transcription.transcripts.ranking import SUSPICIOUS, Passage
from transcription.transcripts.revisions import list_tag, segment_tag
from transcription.transcripts.substitution import Search
from transcription.transcripts.validation import checked_text, checked_time

AT_ONCE = 300
PREVIEWED = 50
READ = ("transcription", "index", "start", "end", "text", "words", "revision", "corrected", "checks", *FIGURES)


@member_required("transcripts.edit")
@nothing_without_text
def show(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Answers with the passages that are to be checked, worst first, and how much was checked."""
    row = editing.transcript(request.actor, transcription_id)
    read_audit.read(request.actor, row, "page")
    segments = list(row.segments.only(*READ))
    if not row.checked:
        row.checked = {"words": checks.words_of(segments)}
    found = proofreading.passages(row, segments)
    left = {"passages": [_fields(passage) for passage in found[:AT_ONCE]], "total": len(found)}
    suspicious = sum(passage.chance >= SUSPICIOUS for passage in found)
    return JsonResponse(left | {"suspicious": suspicious, "etag": list_tag(row), "checked": shown(checks.checked(row))})


@member_required("transcripts.edit")
@script_errors(stale=gettext_lazy("Somebody else changed the transcript meanwhile. Look at the passage again."))
def change(request: TenantRequest, transcription_id: UUID) -> JsonResponse:
    """Takes JSON with what to `do` and the displayed text's `etag`; answers 412 where that is not the current one."""
    recordings.transcription(request.actor, transcription_id)  # other tenants get 404 before any other error
    row, more = _changed(request, transcription_id, body_of(request))
    return JsonResponse({"etag": list_tag(row), "checked": shown(checks.checked(row))} | more)


walk = by_method(get=show, post=change)


def _changed(
    request: TenantRequest, transcription_id: UUID, body: dict[str, Any]
) -> tuple[Transcription, dict[str, Any]]:
    actor, tags = request.actor, {tag_of(body)}
    match body.get("do"):
        case "check" | "uncheck" as what:
            mark = proofreading.check if what == "check" else proofreading.uncheck
            place = (number_of(body, "index"), number_of(body, "first"), number_of(body, "last"))
            return mark(actor, transcription_id, *place, tags), {}
        case "check_gap" | "uncheck_gap" as what:
            start = checked_time(body.get("start"), "start")
            return proofreading.check_gap(actor, transcription_id, start, tags, is_right=what == "check_gap"), {}
        case "correct":
            return _corrected(request, transcription_id, body)
        case "fix_all":
            search = substitution.checked_search(body.get("wrong"), body.get("right"), True, True)
            row, _count = substitution.substitute(actor, transcription_id, search, (), tags)
            return row, {"change": change_fields(request, row)}
        case "learn":
            search = substitution.checked_search(body.get("wrong"), body.get("right"), True, True)
            row = editing.transcript(actor, transcription_id)
            folder = row.recording.folder if body.get("of_folder") is True else None
            learned = learned_terms.learn(actor, search.find, search.replacement, folder)
            return row, {"term": str(learned.term.id), "is_new": learned.is_new}
        case "forget":
            row, wrong = editing.transcript(actor, transcription_id), str(body.get("wrong", ""))
            learned_terms.forget(actor, _term_id(body), wrong, body.get("is_new") is True)
            return row, {}
        case "insert":
            times = (checked_time(body.get("start"), "start"), checked_time(body.get("end"), "end"))
            row = editing.insert(actor, transcription_id, *times, checked_text(body.get("text")), tags).transcription
            return row, {"change": change_fields(request, row)}
    message = _("“%(name)s” must be one of: %(expected)s.")
    expected = "check, uncheck, check_gap, uncheck_gap, correct, fix_all, learn, forget, insert"
    raise InvalidOption("do", message % {"name": "do", "expected": expected})


def _corrected(
    request: TenantRequest, transcription_id: UUID, body: dict[str, Any]
) -> tuple[Transcription, dict[str, Any]]:
    """Corrects a segment, and says where else the same words stand, and what they would be as a term."""
    index, text = number_of(body, "index"), checked_text(body.get("text"))
    before = editing.segment(request.actor, transcription_id, index).text
    row = editing.edit(request.actor, transcription_id, index, {tag_of(body)}, text).transcription
    search = search_of(before, text)
    terms = _terms(request.actor, search, row) if search else []
    return row, {"change": change_fields(request, row), "alike": _alike(search, row), "terms": terms}


def _terms(actor: Actor, search: Search, row: Transcription) -> list[dict[str, Any]]:
    """Describes the term that a correction may become: of the recording's folder, and of the organisation."""
    words, folder = {"wrong": search.find, "right": search.replacement}, row.recording.folder
    places = [folder, None] if folder else [None]
    said = [(learned_terms.offer(actor, search.find, search.replacement, place), place) for place in places]
    return [words | {"label": label, "of_folder": place is not None} for label, place in said if label]


def _term_id(body: dict[str, Any]) -> UUID:
    """Raises Http404."""
    try:
        return UUID(str(body.get("term", "")))
    except ValueError:
        raise Http404 from None


def _alike(search: Search | None, row: Transcription) -> dict[str, Any] | None:
    """Describes where else in a transcript the same words stand, and what they would become; None for nowhere."""
    if search is None:
        return None
    places, count = list[dict[str, Any]](), 0
    for segment in row.segments.only("transcription", "index", "start", "text").iterator():
        text = segment.text.strip()
        if found := list(search.places(text)):
            count += len(found)
            places.append({"at": segment.start, "before": text, "after": search.replaced(text, found)})
    if not places:
        return None
    label = ngettext("%(n)d more place with “%(wrong)s”", "%(n)d more places with “%(wrong)s”", count)
    told = {"wrong": search.find, "right": search.replacement, "label": label % {"n": count, "wrong": search.find}}
    return told | {"places": places[:PREVIEWED]}


def _fields(passage: Passage) -> dict[str, Any]:
    """Describes a passage. `first` and `last` are characters; `from` and `to` the same for scripts, in UTF-16."""
    fields = {"start": passage.start, "end": passage.end, "words": passage.words}
    segment = passage.segment
    if segment is None:
        return fields | {"index": None, "text": "", "is_suspicious": True, "why": _("Speech without text.")}
    text = segment.text.strip()
    return fields | {
        "index": segment.index,
        "etag": segment_tag(segment),
        "first": passage.first,
        "last": passage.last,
        "text": text,
        "is_suspicious": passage.chance >= SUSPICIOUS,
        "from": units(text[: passage.first]),
        "to": units(text[: passage.last]),
        "why": _why(segment, passage),
    }


def _why(segment: Segment, passage: Passage) -> str:
    if passage.kinds:
        return " ".join(doubt.sentence for doubt in doubts_of(segment))
    percent = {"percent": round(100 * passage.chance)}
    if not segment.words:
        return _("Probability that a word of this line is wrong: %(percent)d %%. Word times would say which.") % percent
    if passage.chance >= SUSPICIOUS:
        return _("Probability of an error: %(percent)d %%.") % percent
    return _("The model is sure of these words.")


def shown(state: Checked) -> dict[str, Any]:
    """Describes how much was checked, with a sentence."""
    return {"percent": state.percent, "sentence": state.sentence, "account": state.account}

"""A transcript's segments for programs: reading, correcting, and what was corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native import parameters
from portal.api.native.operations import IF_MATCH, JSON, operation
from portal.api.native.originals import REDACTED, hidden_spans, wants_original
from portal.api.native.parsing import parse_body
from portal.api.native.schemas.segments import (
    Division,
    NewSegments,
    Reversion,
    RevisionBody,
    RevisionsBody,
    SegmentBody,
    SegmentChanges,
    SegmentsBody,
    Shift,
    SomeSegmentsBody,
    SubstitutedBody,
    Substitution,
    TextHitBody,
    TextHitsBody,
)
from portal.api.native.tenant_view import TenantView
from portal.api.preconditions import quoted, seen_tags
from transcription.library import read_audit
from transcription.models import Revision, Segment, Transcription
from transcription.strikes import MASK, redacted_segments
from transcription.strikes.spans import Span
from transcription.transcripts import checks, editing, revisions, substitution
from transcription.transcripts.doubts import doubts_of, missed_speech
from transcription.transcripts.segment_edits import SegmentEdit, SegmentFields

REVISIONS_AT_ONCE = 50
FIRST = parameters.Whole("from", "The first one's index.", range(2**31))
SEGMENTS = parameters.Whole("limit", "All without it.", range(1, 1001))
MOST_HITS = 1000
FIND = parameters.Text("find", "What is looked for.", required=True)
MATCH_CASE = parameters.Choice("match_case", "Whether capitals differ from small letters.", ("true", "false"))
WHOLE_WORDS = parameters.Choice("whole_words", "Whether parts of words don't count.", ("true", "false"))
HITS = parameters.Whole("limit", f"{MOST_HITS} without it.", range(1, MOST_HITS + 1))
BEFORE = parameters.Whole("before", "Only those with smaller numbers.", range(2**31))
REVISIONS = parameters.Whole("limit", f"{REVISIONS_AT_ONCE} without it.", range(1, REVISIONS_AT_ONCE + 1))


class SegmentsView(TenantView):
    """GET all segments, or with `limit` some from `from` on; PUT all of them."""

    @operation(
        "listSegments",
        "The segments of a transcript",
        {200: SegmentsBody},
        parameters=[FIRST, SEGMENTS, REDACTED],
    )
    def get(self, request: Request, transcription_id: UUID) -> Response:
        row = editing.transcript(self.actor, transcription_id)
        first = FIRST.read(request)
        limit = SEGMENTS.read(request)
        hidden = hidden_spans(self.actor, request, row)
        read_audit.read(self.actor, row, "answer")
        return segments_answer(row, hidden, first or 0, limit)

    @operation(
        "replaceSegments",
        "Replace all segments",
        {200: SegmentsBody},
        body={JSON: NewSegments},
        parameters=[IF_MATCH, REDACTED],
    )
    def put(self, request: Request, transcription_id: UUID) -> Response:
        wanted = [SegmentEdit(one.start, one.end, one.text) for one in parse_body(request, NewSegments).segments]
        row = editing.replace(self.actor, transcription_id, wanted, seen_tags(request._request))
        return segments_answer(row, hidden_spans(self.actor, request, row))


class SegmentView(TenantView):
    """GET, PATCH or DELETE one segment."""

    @operation("retrieveSegment", "One segment", {200: SegmentBody}, parameters=[REDACTED])
    def get(self, request: Request, transcription_id: UUID, index: int) -> Response:
        found = editing.segment(self.actor, transcription_id, index)
        hidden = hidden_spans(self.actor, request, found.transcription)
        read_audit.read(self.actor, found.transcription, "answer")
        return one_answer(found, hidden)

    @operation(
        "updateSegment",
        "Correct a segment",
        {200: SegmentBody},
        body={JSON: SegmentChanges},
        parameters=[IF_MATCH, REDACTED],
    )
    def patch(self, request: Request, transcription_id: UUID, index: int) -> Response:
        changes = parse_body(request, SegmentChanges).model_dump(exclude_unset=True)
        found = editing.edit(self.actor, transcription_id, index, seen_tags(request._request), **changes)
        return one_answer(found, hidden_spans(self.actor, request, found.transcription))

    @operation("deleteSegment", "Delete a segment", {204: None}, parameters=[IF_MATCH])
    def delete(self, request: Request, transcription_id: UUID, index: int) -> Response:
        row = editing.remove(self.actor, transcription_id, index, seen_tags(request._request))
        return Response(status=204, headers=_tag(row))


class SplitView(TenantView):
    """POST where to divide a segment."""

    @operation(
        "splitSegment",
        "Divide a segment",
        {200: SomeSegmentsBody},
        body={JSON: Division},
        parameters=[IF_MATCH, REDACTED],
    )
    def post(self, request: Request, transcription_id: UUID, index: int) -> Response:
        where = parse_body(request, Division)
        both = editing.split(self.actor, transcription_id, index, where.position, where.at, seen_tags(request._request))
        shown = redacted_segments(both, hidden_spans(self.actor, request, both[0].transcription))
        return Response(SomeSegmentsBody(segments=segments_fields(shown)), headers=_tag_of_list(both[0]))


class MergeView(TenantView):
    """POST to join a segment with the next one."""

    @operation(
        "mergeSegment", "Join a segment with the next one", {200: SomeSegmentsBody}, parameters=[IF_MATCH, REDACTED]
    )
    def post(self, request: Request, transcription_id: UUID, index: int) -> Response:
        found = editing.merge(self.actor, transcription_id, index, seen_tags(request._request))
        shown = redacted_segments([found], hidden_spans(self.actor, request, found.transcription))
        return Response(SomeSegmentsBody(segments=segments_fields(shown)), headers=_tag_of_list(found))


class ShiftView(TenantView):
    """POST by how many seconds segments are moved."""

    @operation("shiftSegments", "Shift times", {200: SegmentsBody}, body={JSON: Shift}, parameters=[IF_MATCH, REDACTED])
    def post(self, request: Request, transcription_id: UUID) -> Response:
        by = parse_body(request, Shift)
        tags = seen_tags(request._request)
        row = editing.shift(self.actor, transcription_id, by.seconds, tags, by.first, by.last)
        return segments_answer(row, hidden_spans(self.actor, request, row))


class HitsView(TenantView):
    """GET where a text stands in a transcript."""

    @operation(
        "findInSegments",
        "Where a text stands in a transcript",
        {200: TextHitsBody},
        parameters=[FIND, MATCH_CASE, WHOLE_WORDS, HITS, REDACTED],
    )
    def get(self, request: Request, transcription_id: UUID) -> Response:
        flags = [one.read(request) == "true" for one in (MATCH_CASE, WHOLE_WORDS)]
        search = substitution.checked_search(FIND.read(request), "", *flags)
        limit, original = HITS.read(request) or MOST_HITS, wants_original(self.actor, request)
        row, found, total = substitution.hits(self.actor, transcription_id, search, limit, original=original)
        read_audit.read(self.actor, row, "answer")
        results = [hit_fields(hit) for hit in found]
        body = TextHitsBody(transcription=str(row.id), revision=row.revision, total=total, results=results)
        return Response(body, headers=_tag(row))


class SubstituteView(TenantView):
    """POST what is found and what it becomes."""

    @operation(
        "substituteInSegments",
        "Find and replace",
        {200: SubstitutedBody},
        body={JSON: Substitution},
        parameters=[IF_MATCH],
    )
    def post(self, request: Request, transcription_id: UUID) -> Response:
        wanted = parse_body(request, Substitution)
        search = substitution.checked_search(wanted.find, wanted.replacement, wanted.match_case, wanted.whole_words)
        skipped = [(hit.segment, hit.position) for hit in wanted.skip]
        tags = seen_tags(request._request)
        row, number = substitution.substitute(self.actor, transcription_id, search, skipped, tags)
        body = SubstitutedBody(transcription=str(row.id), revision=row.revision, replaced=number)
        return Response(body, headers=_tag(row))


class RevisionsView(TenantView):
    """GET what was changed, newest first; `before` a number for what is older."""

    @operation(
        "listRevisions",
        "What was changed, newest first",
        {200: RevisionsBody},
        parameters=[BEFORE, REVISIONS, REDACTED],
    )
    def get(self, request: Request, transcription_id: UUID) -> Response:
        rows = editing.revisions(self.actor, transcription_id)
        row = editing.transcript(self.actor, transcription_id)
        hides = bool(hidden_spans(self.actor, request, row))
        read_audit.read(self.actor, row, "revisions")
        before = BEFORE.read(request)
        limit = REVISIONS.read(request) or REVISIONS_AT_ONCE
        found = list((rows.filter(number__lt=before) if before is not None else rows)[: limit + 1])
        page = found[:limit]
        older = f"{request.path}?before={page[-1].number}&limit={limit}" if len(found) > limit else None
        return Response(RevisionsBody(next=older, results=[revision_fields(one, hides=hides) for one in page]))


class RevertView(TenantView):
    """POST the revision to go back to; 0 for the machine's text."""

    @operation(
        "revertTranscript",
        "Go back to a revision; 0 is the machine's text",
        {200: SegmentsBody},
        body={JSON: Reversion},
        parameters=[IF_MATCH, REDACTED],
    )
    def post(self, request: Request, transcription_id: UUID) -> Response:
        wanted = parse_body(request, Reversion)
        tags = seen_tags(request._request)
        row = editing.revert(self.actor, transcription_id, wanted.revision, tags, strikes=wanted.strikes)
        return segments_answer(row, hidden_spans(self.actor, request, row))


def segment_fields(segment: Segment, names: Mapping[str, str]) -> SegmentBody:
    """Describes a segment; `names` are those of who checked it (transcripts/checks.py)."""
    return {
        "index": segment.index,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text.strip(),
        "words": [word | {"word": word["word"].strip()} for word in segment.words],
        "doubts": [{"kind": doubt.kind, "figure": doubt.figure} for doubt in doubts_of(segment)],
        "speaker": segment.speaker,
        "overlap": segment.overlap,
        "checks": [
            {"first": first, "last": last, "by": names.get(who), "at": at} for first, last, who, at in segment.checks
        ],
        "revision": segment.revision,
        "etag": quoted(revisions.segment_tag(segment)),
    }


def segments_fields(segments: Sequence[Segment]) -> list[SegmentBody]:
    names = checks.names_of_checks(segments)
    return [segment_fields(segment, names) for segment in segments]


def hit_fields(hit: substitution.Hit) -> TextHitBody:
    return {
        "segment": hit.segment,
        "position": hit.position,
        "start": hit.start,
        "before": hit.before,
        "found": hit.found,
        "after": hit.after,
    }


def revision_fields(revision: Revision, *, hides: bool) -> RevisionBody:
    """Describes a revision. hides: without the texts that stood there, in which struck words may stand elsewhere."""
    return {
        "number": revision.number,
        "action": revision.action,
        "made_at": revision.made_at.isoformat(),
        "made_by": revision.author or None,
        "first": revision.first,
        "added": revision.added,
        "before": [_former(piece, hides=hides) for piece in revision.before],
        "changed": {index: _former(piece, hides=hides) for index, piece in revision.changed.items()},
        "speakers": revision.speakers,
        "names": revision.names,
        "struck": revision.struck.get("added", []),
        "unstruck": revision.struck.get("removed", []),
    }


def _former(fields: SegmentFields, *, hides: bool) -> dict[str, Any]:
    text = MASK if hides else fields["text"].strip()
    return {"start": fields["start"], "end": fields["end"], "text": text}


def segments_answer(row: Transcription, hidden: Sequence[Span], first: int = 0, limit: int | None = None) -> Response:
    """Answers with the segments of a transcript from `first` on, all of them without `limit`.

    hidden: seconds whose words are left out.
    """
    rows = row.segments.order_by("index")
    total = rows.count()
    found = list(rows.filter(index__gte=first)[:limit] if limit else rows.filter(index__gte=first))
    after = found[-1].index + 1 if found else total
    texts = rows.values_list("start", "end") if row.missed_speech else ()
    more = f"/api/v1/transcriptions/{row.id}/segments?from={after}&limit={limit}" if limit and after < total else None
    body = SegmentsBody(
        transcription=str(row.id),
        revision=row.revision,
        total=total,
        next=more,
        missed_speech=[{"start": start, "end": end} for start, end in missed_speech(row, texts)],
        segments=segments_fields(redacted_segments(found, hidden)),
    )
    return Response(body, headers=_tag(row))


def one_answer(segment: Segment, hidden: Sequence[Span]) -> Response:
    [shown] = segments_fields(redacted_segments([segment], hidden))
    return Response(shown, headers={"ETag": quoted(revisions.segment_tag(segment))})


def _tag(row: Transcription) -> dict[str, str]:
    return {"ETag": quoted(revisions.list_tag(row))}


def _tag_of_list(segment: Segment) -> dict[str, str]:
    """Returns the tag of the list after the change that put this segment there."""
    return {"ETag": quoted(str(segment.revision))}


TRANSCRIPTION = "transcriptions/<uuid:transcription_id>"
SEGMENT = f"{TRANSCRIPTION}/segments/<int:index>"
urls = [
    path(f"{TRANSCRIPTION}/segments", SegmentsView.as_view(), name="native_segments"),
    path(SEGMENT, SegmentView.as_view(), name="native_segment"),
    path(f"{TRANSCRIPTION}/segments/shift", ShiftView.as_view(), name="native_shift"),
    path(f"{TRANSCRIPTION}/segments/hits", HitsView.as_view(), name="native_hits"),
    path(f"{TRANSCRIPTION}/segments/substitute", SubstituteView.as_view(), name="native_substitute"),
    path(f"{SEGMENT}/split", SplitView.as_view(), name="native_split"),
    path(f"{SEGMENT}/merge", MergeView.as_view(), name="native_merge"),
    path(f"{TRANSCRIPTION}/revisions", RevisionsView.as_view(), name="native_revisions"),
    path(f"{TRANSCRIPTION}/revert", RevertView.as_view(), name="native_revert"),
]

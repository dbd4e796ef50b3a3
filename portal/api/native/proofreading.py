"""Proofreading for programs: what is to be checked, worst first, and marks of what is right."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native import parameters
from portal.api.native.operations import IF_MATCH, JSON, operation
from portal.api.native.originals import REDACTED, hidden_spans
from portal.api.native.parsing import parse_body
from portal.api.native.schemas.proofreading import Checking, PassageBody, ProofreadingBody
from portal.api.native.schemas.segments import SegmentBody
from portal.api.native.segments import SEGMENT, TRANSCRIPTION, one_answer
from portal.api.native.tenant_view import TenantView
from portal.api.preconditions import quoted, seen_tags
from transcription.library import read_audit
from transcription.strikes import redacted_segments
from transcription.transcripts import checks, editing, proofreading, revisions
from transcription.transcripts.ranking import Passage

AT_ONCE = 100
LIMIT = parameters.Whole("limit", f"{AT_ONCE} without it.", range(1, 1001))


class ProofreadingView(TenantView):
    """GET the passages that nobody has checked, the likeliest to be wrong first."""

    @operation(
        "listPassages",
        "What to proofread, worst first",
        {200: ProofreadingBody},
        parameters=[LIMIT, REDACTED],
    )
    def get(self, request: Request, transcription_id: UUID) -> Response:
        row = editing.transcript(self.actor, transcription_id)
        limit = LIMIT.read(request) or AT_ONCE
        read_audit.read(self.actor, row, "answer")
        segments = redacted_segments(row.segments.all(), hidden_spans(self.actor, request, row))
        row.checked = row.checked or {"words": checks.words_of(segments)}
        found = proofreading.passages(row, segments)
        body = ProofreadingBody(
            transcription=str(row.id),
            revision=row.revision,
            checked=checks.checked(row).fields,
            total=len(found),
            passages=[passage_fields(passage) for passage in found[:limit]],
        )
        return Response(body, headers={"ETag": quoted(revisions.list_tag(row))})


class CheckView(TenantView):
    """POST what of a segment is right; DELETE takes all its marks away."""

    @operation(
        "checkSegment",
        "Mark a segment, or a part of it, as checked",
        {200: SegmentBody},
        body={JSON: Checking},
        parameters=[IF_MATCH, REDACTED],
    )
    def post(self, request: Request, transcription_id: UUID, index: int) -> Response:
        part = parse_body(request, Checking)
        tags = seen_tags(request._request)
        proofreading.check(self.actor, transcription_id, index, part.first, part.last, tags)
        return self._segment(request, transcription_id, index)

    @operation(
        "uncheckSegment", "Take the marks of a segment away", {200: SegmentBody}, parameters=[IF_MATCH, REDACTED]
    )
    def delete(self, request: Request, transcription_id: UUID, index: int) -> Response:
        proofreading.uncheck(self.actor, transcription_id, index, 0, None, seen_tags(request._request))
        return self._segment(request, transcription_id, index)

    def _segment(self, request: Request, transcription_id: UUID, index: int) -> Response:
        found = editing.segment(self.actor, transcription_id, index)
        return one_answer(found, hidden_spans(self.actor, request, found.transcription))


def passage_fields(passage: Passage) -> PassageBody:
    segment = passage.segment
    return {
        "segment": segment.index if segment else None,
        "first": passage.first,
        "last": passage.last,
        "start": passage.start,
        "end": passage.end,
        "text": segment.text.strip()[passage.first : passage.last] if segment else "",
        "words": passage.words,
        "chance": round(passage.chance, 3),
        "doubts": list(passage.kinds),
        "etag": quoted(revisions.segment_tag(segment)) if segment else None,
    }


urls = [
    path(f"{TRANSCRIPTION}/proofreading", ProofreadingView.as_view(), name="native_proofreading"),
    path(f"{SEGMENT}/check", CheckView.as_view(), name="native_check"),
]

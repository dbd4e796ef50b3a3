"""The speakers of a transcript for programs: listing, naming and merging them, and giving segments to another one."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import IF_MATCH, JSON, operation
from portal.api.native.parsing import check_not_both, parse_body
from portal.api.native.schemas.speakers import (
    SpeakerAssignment,
    SpeakerBody,
    SpeakerChanges,
    SpeakerMerger,
    SpeakersBody,
)
from portal.api.native.tenant_view import TenantView
from portal.api.preconditions import quoted, seen_tags
from transcription.library import read_audit
from transcription.models import Transcription
from transcription.transcripts import revisions, speakers
from transcription.transcripts.speakers import Share


class SpeakersView(TenantView):
    """GET the speakers of a transcript."""

    @operation("listSpeakers", "The speakers of a transcript, and how long each speaks", {200: SpeakersBody})
    def get(self, request: Request, transcription_id: UUID) -> Response:
        row, shares = speakers.speakers(self.actor, transcription_id)
        read_audit.read(self.actor, row, "answer")
        return _speakers(row, shares)


class SpeakerView(TenantView):
    """PATCH the name of a speaker."""

    @operation("nameSpeaker", "Name a speaker", {200: SpeakersBody}, body={JSON: SpeakerChanges}, parameters=[IF_MATCH])
    def patch(self, request: Request, transcription_id: UUID, number: int) -> Response:
        name = parse_body(request, SpeakerChanges).name
        row = speakers.rename(self.actor, transcription_id, number, name, seen_tags(request._request))
        return _changed(row)


class MergeSpeakersView(TenantView):
    """POST the speaker that gets all segments of this one."""

    @operation(
        "mergeSpeakers",
        "Give all segments of a speaker to another one",
        {200: SpeakersBody},
        body={JSON: SpeakerMerger},
        parameters=[IF_MATCH],
    )
    def post(self, request: Request, transcription_id: UUID, number: int) -> Response:
        into = parse_body(request, SpeakerMerger).into
        row = speakers.merge(self.actor, transcription_id, number, into, seen_tags(request._request))
        return _changed(row)


class AssignSpeakerView(TenantView):
    """POST segments and whose they are."""

    @operation(
        "assignSpeaker",
        "Give segments to a speaker",
        {200: SpeakersBody},
        body={JSON: SpeakerAssignment},
        parameters=[IF_MATCH],
    )
    def post(self, request: Request, transcription_id: UUID) -> Response:
        wanted = parse_body(request, SpeakerAssignment)
        if wanted.new:
            check_not_both(wanted, ("speaker",), ("new",))
        segments = (wanted.first, wanted.last)
        tags = seen_tags(request._request)
        row = speakers.assign(self.actor, transcription_id, *segments, wanted.speaker, tags, is_new=wanted.new)
        return _changed(row)


def _changed(row: Transcription) -> Response:
    return _speakers(row, speakers.shares(row))


def _speakers(row: Transcription, shares: list[Share]) -> Response:
    body = SpeakersBody(
        transcription=str(row.id),
        revision=row.revision,
        results=[_speaker_fields(share) for share in shares],
    )
    return Response(body, headers={"ETag": quoted(revisions.list_tag(row))})


def _speaker_fields(share: Share) -> SpeakerBody:
    return {
        "speaker": share.speaker.index,
        "name": share.speaker.name,
        "label": share.speaker.label,
        "recognised": share.speaker.recognised_id is not None,
        "seconds": share.seconds,
        "segments": share.segments,
    }


SPEAKERS = "transcriptions/<uuid:transcription_id>/speakers"
urls = [
    path(SPEAKERS, SpeakersView.as_view(), name="native_speakers"),
    path(f"{SPEAKERS}/assign", AssignSpeakerView.as_view(), name="native_assign_speaker"),
    path(f"{SPEAKERS}/<int:number>", SpeakerView.as_view(), name="native_speaker"),
    path(f"{SPEAKERS}/<int:number>/merge", MergeSpeakersView.as_view(), name="native_merge_speakers"),
]

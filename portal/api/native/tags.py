"""The tags of an organisation's recordings, for programs."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import JSON, operation
from portal.api.native.parsing import parse_body
from portal.api.native.schemas.tags import MergeBody, NewTag, PutTag, TagBody, TagChanges, TagsBody
from portal.api.native.tenant_view import TenantView
from transcription.errors import InvalidOption
from transcription.library import recordings, tags
from transcription.models import Tag


class TagsView(TenantView):
    """POST a tag; GET all of the tenant, in the order of the alphabet."""

    @operation("listTags", "The tags", {200: TagsBody})
    def get(self, request: Request) -> Response:
        return Response({"results": [tag_fields(row) for row in tags.visible(self.actor)]})

    @operation(
        "createTag",
        "Add a tag",
        {201: TagBody, 200: TagBody},
        body={JSON: NewTag},
        description="200 with the one that there is, where there is one of that name.",
    )
    def post(self, request: Request) -> Response:
        """Raises InvalidOption and Refused."""
        self.actor.require(tags.PERMISSION)
        new = parse_body(request, NewTag)
        row, is_new = tags.create(self.actor, new.name, new.colour)
        return Response(tag_fields(row), 201 if is_new else 200, headers={"Location": f"/api/v1/tags/{row.id}"})


class TagView(TenantView):
    """GET, PATCH or DELETE one."""

    @operation("retrieveTag", "One tag", {200: TagBody})
    def get(self, request: Request, tag_id: UUID) -> Response:
        return Response(tag_fields(tags.get(self.actor, tag_id)))

    @operation("updateTag", "Rename a tag, or give it another colour", {200: TagBody}, body={JSON: TagChanges})
    def patch(self, request: Request, tag_id: UUID) -> Response:
        """Raises InvalidOption."""
        self.actor.require(tags.PERMISSION)
        changes = parse_body(request, TagChanges)
        return Response(tag_fields(tags.change(self.actor, tag_id, changes.name, changes.colour)))

    @operation("deleteTag", "Take a tag off all recordings, which stay", {204: None})
    def delete(self, request: Request, tag_id: UUID) -> Response:
        tags.delete(self.actor, tag_id)
        return Response(status=204)


class MergeView(TenantView):
    """POST the tag that this one becomes part of."""

    @operation("mergeTag", "Merge a tag into another one; answers with that", {200: TagBody}, body={JSON: MergeBody})
    def post(self, request: Request, tag_id: UUID) -> Response:
        """Raises InvalidOption."""
        self.actor.require(tags.PERMISSION)
        tags.get(self.actor, tag_id)
        return Response(tag_fields(tags.merge(self.actor, tag_id, _id(parse_body(request, MergeBody).into))))


class RecordingTagsView(TenantView):
    """GET the tags of a recording; POST the name of one more."""

    @operation("listRecordingTags", "The tags of a recording", {200: TagsBody})
    def get(self, request: Request, recording_id: UUID) -> Response:
        return self._of(recording_id)

    @operation(
        "tagRecording", "Give a recording a tag, which is made if there is none", {200: TagsBody}, body={JSON: PutTag}
    )
    def post(self, request: Request, recording_id: UUID) -> Response:
        """Raises InvalidOption and Refused."""
        self.actor.require(tags.PERMISSION)
        recordings.recording(self.actor, recording_id)
        tags.put(self.actor, recording_id, parse_body(request, PutTag).name)
        return self._of(recording_id)

    def _of(self, recording_id: UUID) -> Response:
        found = recordings.recording(self.actor, recording_id)
        return Response({"results": [tag_fields(row) for row in found.tags]})


class RecordingTagView(TenantView):
    """DELETE takes a tag off a recording."""

    @operation("untagRecording", "Take a tag off a recording", {204: None})
    def delete(self, request: Request, recording_id: UUID, tag_id: UUID) -> Response:
        tags.take(self.actor, recording_id, tag_id)
        return Response(status=204)


def _id(text: str) -> UUID:
    """Raises InvalidOption."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidOption("into", _("There is no such tag.")) from None


def tag_fields(row: Tag) -> TagBody:
    return {
        "id": str(row.id),
        "name": row.name,
        "colour": row.colour,
        "audio_days": row.audio_retention_days,
        "text_days": row.text_retention_days,
        "created_at": row.created_at.isoformat(),
    }


urls = [
    path("tags", TagsView.as_view(), name="native_tags"),
    path("tags/<uuid:tag_id>", TagView.as_view(), name="native_tag"),
    path("tags/<uuid:tag_id>/merge", MergeView.as_view(), name="native_merge_tag"),
    path("recordings/<uuid:recording_id>/tags", RecordingTagsView.as_view(), name="native_recording_tags"),
    path("recordings/<uuid:recording_id>/tags/<uuid:tag_id>", RecordingTagView.as_view(), name="native_recording_tag"),
]

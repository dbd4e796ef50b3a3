"""The bin, legal holds, and the retention of folders and tags, for programs."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import JSON, listing, operation
from portal.api.native.pagination import PAGE, newest_first
from portal.api.native.parsing import parse_body
from portal.api.native.representations import recording_fields
from portal.api.native.schemas.bin import BinnedBody, HoldBody, NewHold, NewRetention, RetentionBody
from portal.api.native.schemas.recordings import RecordingBody
from portal.api.native.tenant_view import TenantView
from transcription.folders import folders
from transcription.folders.visibility import MANAGE
from transcription.library import holds, recordings, retention_settings, tags
from transcription.library.periods import PeriodOwner
from transcription.models import Recording

DELETED_LAST = ("-deleted_at", "-id")


class BinView(TenantView):
    """GET what was deleted and can be brought back; DELETE has all of it erased."""

    @operation("listBin", "Deleted recordings, the last one first", {200: listing(BinnedBody)}, parameters=[*PAGE])
    def get(self, request: Request) -> Response:
        return newest_first(recordings.binned(self.actor), request, self, _binned_fields, DELETED_LAST)

    @operation("emptyBin", "Erase all that the caller can bring back, but what is on hold", {204: None})
    def delete(self, request: Request) -> Response:
        recordings.empty_bin(self.actor)
        return Response(status=204)


class RecordingBinView(TenantView):
    """PUT a recording into the bin; DELETE takes it out again."""

    @operation("binRecording", "Put a recording into the bin", {200: BinnedBody})
    def put(self, request: Request, recording_id: UUID) -> Response:
        """Raises Refused while it is on hold."""
        self.actor.require("recordings.delete")
        row = recordings.binned(self.actor).filter(id=recording_id).first()
        return Response(_binned_fields(row or recordings.delete(self.actor, recording_id)))

    @operation("restoreRecording", "Take a recording out of the bin", {200: RecordingBody})
    def delete(self, request: Request, recording_id: UUID) -> Response:
        self.actor.require("recordings.delete")
        if recordings.binned(self.actor).filter(id=recording_id).exists():
            recordings.restore(self.actor, recording_id)
        return Response(recording_fields(self.actor, recordings.recording(self.actor, recording_id)))


class HoldView(TenantView):
    """GET, PUT or DELETE the legal hold of a recording."""

    @operation("retrieveHold", "Whether a recording is on legal hold", {200: HoldBody})
    def get(self, request: Request, recording_id: UUID) -> Response:
        return Response(_hold_fields(recordings.recording(self.actor, recording_id)))

    @operation("holdRecording", "Put a recording on legal hold", {200: HoldBody}, body={JSON: NewHold})
    def put(self, request: Request, recording_id: UUID) -> Response:
        self.actor.require(holds.PERMISSION)
        recordings.recording(self.actor, recording_id)
        wanted = parse_body(request, NewHold)
        reason = wanted.reason if "reason" in wanted.model_fields_set else None
        return Response(_hold_fields(holds.hold(self.actor, recording_id, reason)))

    @operation("releaseHold", "End the legal hold of a recording", {204: None})
    def delete(self, request: Request, recording_id: UUID) -> Response:
        holds.release(self.actor, recording_id)
        return Response(status=204)


class FolderRetentionView(TenantView):
    """PUT how long what is in a folder is kept."""

    @operation("keepFolder", "How long what is in a folder is kept", {200: RetentionBody}, body={JSON: NewRetention})
    def put(self, request: Request, folder_id: UUID) -> Response:
        """Raises InvalidOption."""
        self.actor.require(MANAGE)
        return _decided(self, request, folders.get(self.actor, folder_id))


class TagRetentionView(TenantView):
    """PUT how long what has a tag is kept."""

    @operation("keepTag", "How long what has a tag is kept", {200: RetentionBody}, body={JSON: NewRetention})
    def put(self, request: Request, tag_id: UUID) -> Response:
        """Raises InvalidOption."""
        self.actor.require(MANAGE)
        return _decided(self, request, tags.get(self.actor, tag_id))


def _decided(view: TenantView, request: Request, owner: PeriodOwner) -> Response:
    wanted = parse_body(request, NewRetention)
    goes = retention_settings.preview(view.actor, owner, wanted.audio_days, wanted.text_days)
    if not wanted.preview:
        retention_settings.set_days(view.actor, owner, wanted.audio_days, wanted.text_days)
    body: RetentionBody = {
        "audio_days": wanted.audio_days,
        "text_days": wanted.text_days,
        "audio_goes": goes.audio,
        "texts_go": goes.text,
        "held": goes.held,
    }
    return Response(body)


def _binned_fields(row: Recording) -> BinnedBody:
    return {
        "id": str(row.id),
        "name": row.name,
        "folder": str(row.folder_id) if row.folder_id else None,
        "deleted_at": row.deleted_at.isoformat() if row.deleted_at else "",
        "deleted_by": row.deleted_by,
        "erase_at": row.erase_at.isoformat() if row.erase_at else None,
        "held": row.held_at is not None,
    }


def _hold_fields(row: Recording) -> HoldBody:
    return {
        "held": row.held_at is not None,
        "held_at": row.held_at.isoformat() if row.held_at else None,
        "held_by": row.held_by,
        "reason": row.hold_reason,
    }


urls = [
    path("bin", BinView.as_view(), name="native_bin"),
    path("recordings/<uuid:recording_id>/bin", RecordingBinView.as_view(), name="native_recording_bin"),
    path("recordings/<uuid:recording_id>/hold", HoldView.as_view(), name="native_hold"),
    path("folders/<uuid:folder_id>/retention", FolderRetentionView.as_view(), name="native_folder_retention"),
    path("tags/<uuid:tag_id>/retention", TagRetentionView.as_view(), name="native_tag_retention"),
]

"""The folders of an organisation's recordings, for programs. Who is in them is the affair of people."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native import parameters
from portal.api.native.operations import JSON, listing, operation
from portal.api.native.pagination import PAGE, newest_first
from portal.api.native.parsing import parse_body
from portal.api.native.representations import recording_fields
from portal.api.native.schemas.folders import FolderBody, FolderChanges, MoveBody, NewFolder
from portal.api.native.schemas.recordings import RecordingBody
from portal.api.native.tenant_view import TenantView
from transcription.folders import folders
from transcription.folders.visibility import MANAGE
from transcription.library import moving, recordings
from transcription.models import Folder

SEARCH = parameters.Text("search", "Only those in whose name this stands.")


class FoldersView(TenantView):
    """POST a folder; GET those that the caller sees, newest first."""

    @operation("listFolders", "The folders, newest first", {200: listing(FolderBody)}, parameters=[*PAGE, SEARCH])
    def get(self, request: Request) -> Response:
        return newest_first(folders.visible(self.actor, SEARCH.read(request)), request, self, folder_fields)

    @operation("createFolder", "Make a folder", {201: FolderBody}, body={JSON: NewFolder})
    def post(self, request: Request) -> Response:
        """Raises InvalidOption and Refused."""
        self.actor.require(folders.CREATE)
        new = parse_body(request, NewFolder)
        row = folders.create(self.actor, new.name, restricted=new.restricted)
        row.refresh_from_db(fields=["created_at"])
        return Response(folder_fields(row), 201, headers={"Location": f"/api/v1/folders/{row.id}"})


class FolderView(TenantView):
    """GET, PATCH or DELETE one."""

    @operation("retrieveFolder", "One folder", {200: FolderBody})
    def get(self, request: Request, folder_id: UUID) -> Response:
        return Response(folder_fields(folders.get(self.actor, folder_id)))

    @operation("updateFolder", "Rename a folder, restrict it or open it", {200: FolderBody}, body={JSON: FolderChanges})
    def patch(self, request: Request, folder_id: UUID) -> Response:
        """Raises InvalidOption."""
        self.actor.require(MANAGE)
        changes = parse_body(request, FolderChanges)
        return Response(folder_fields(folders.change(self.actor, folder_id, changes.name, changes.restricted)))

    @operation("deleteFolder", "Delete an empty folder", {204: None})
    def delete(self, request: Request, folder_id: UUID) -> Response:
        self.actor.require(MANAGE)
        folders.delete(self.actor, folder_id)
        return Response(status=204)


class RecordingFolderView(TenantView):
    """PUT the folder that a recording is moved to."""

    @operation("moveRecording", "Move a recording to a folder", {200: RecordingBody}, body={JSON: MoveBody})
    def put(self, request: Request, recording_id: UUID) -> Response:
        """Raises InvalidOption and Refused."""
        self.actor.require(moving.PERMISSION)
        recordings.recording(self.actor, recording_id, permission=moving.PERMISSION)
        into = folders.moved_to(self.actor, parse_body(request, MoveBody).folder)
        moving.move(self.actor, recording_id, into)
        return Response(recording_fields(self.actor, recordings.recording(self.actor, recording_id)))


def folder_fields(row: Folder) -> FolderBody:
    return {
        "id": str(row.id),
        "name": row.name,
        "restricted": row.restricted,
        "private": row.is_private,
        "audio_days": row.audio_retention_days,
        "text_days": row.text_retention_days,
        "created_at": row.created_at.isoformat(),
    }


urls = [
    path("folders", FoldersView.as_view(), name="native_folders"),
    path("folders/<uuid:folder_id>", FolderView.as_view(), name="native_folder"),
    path("recordings/<uuid:recording_id>/folder", RecordingFolderView.as_view(), name="native_recording_folder"),
]

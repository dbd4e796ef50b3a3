"""Videos with subtitles, for programs."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import FILE, JSON, operation
from portal.api.native.parsing import parse_body
from portal.api.native.representations import rfc3339
from portal.api.native.schemas.videos import NewVideo, VideoBody, VideosBody
from portal.api.native.segments import TRANSCRIPTION
from portal.api.native.tenant_view import TenantView
from portal.api.problems import problem
from portal.http.ranges import ranged
from transcription.exports import Layout
from transcription.library import read_audit, recordings
from transcription.media import storage
from transcription.models import SubtitledVideo
from transcription.videos import orders

VIDEO: dict[str, object] = {"video/mp4": FILE, "video/x-matroska": FILE}


class VideosView(TenantView):
    """GET the videos of a transcription; POST for another one."""

    @operation("listVideos", "Videos with subtitles", {200: VideosBody})
    def get(self, request: Request, transcription_id: UUID) -> Response:
        row = recordings.transcription(self.actor, transcription_id)
        rows = orders.videos(self.actor, row).select_related("recording", "transcription", "beside")
        return Response(VideosBody(results=[_fields(one) for one in rows]))

    @operation(
        "createVideo",
        "Have a video with subtitles made",
        {202: VideoBody},
        body={JSON: NewVideo},
        description="The answer is the one that there is, or that is being made, where it is the same.",
    )
    def post(self, request: Request, transcription_id: UUID) -> Response:
        recordings.transcription(self.actor, transcription_id)
        wanted = parse_body(request, NewVideo)
        layout = Layout(wanted.max_line_length, wanted.max_lines)
        made = orders.ask(self.actor, transcription_id, wanted.kind, layout, wanted.beside)
        row = orders.video(self.actor, made.id)
        return Response(_fields(row), 202, headers={"Location": f"/api/v1/videos/{row.id}"})


class VideoView(TenantView):
    """GET how far a video is; DELETE it."""

    @operation("retrieveVideo", "A video with subtitles", {200: VideoBody})
    def get(self, request: Request, video_id: UUID) -> Response:
        return Response(_fields(orders.video(self.actor, video_id)))

    @operation("deleteVideo", "Delete a video, or stop what makes it", {204: None})
    def delete(self, request: Request, video_id: UUID) -> Response:
        orders.delete(self.actor, video_id)
        return Response(status=204)


class VideoFileView(TenantView):
    """GET the file of a video."""

    @operation("retrieveVideoFile", "The file of a video with subtitles", {200: VIDEO})
    def get(self, request: Request, video_id: UUID) -> HttpResponseBase | Response:
        row = orders.video(self.actor, video_id)
        if not orders.is_current(row):
            return problem(409, "not_ready", _("The video is not ready: see its status."))
        for one in (row.transcription, row.beside) if row.beside else (row.transcription,):
            read_audit.exported(self.actor, one, orders.ending(row))
        if not storage.is_local():
            return HttpResponseRedirect(storage.signed_url(row.key))
        content_type = "video/mp4" if row.is_mp4 else "video/x-matroska"
        return ranged(request._request, row.key, row.bytes, content_type)


def _fields(row: SubtitledVideo) -> VideoBody:
    is_ready = orders.is_current(row)
    status = "ready" if is_ready else "outdated" if row.is_there else "failed" if row.error else "waiting"
    return {
        "id": str(row.id),
        "transcription": str(row.transcription_id),
        "recording": str(row.recording_id),
        "kind": row.kind,
        "max_line_length": row.max_line_length,
        "max_lines": row.max_lines,
        "beside": str(row.beside_id) if row.beside_id else None,
        "status": status,
        "percent": row.percent,
        "bytes": row.bytes if is_ready else None,
        "corrected": is_ready and orders.is_older(row),
        "created_at": row.created_at.isoformat(),
        "finished_at": rfc3339(row.finished_at),
        "error": {"code": row.error, "message": orders.reason(row)} if row.error else None,
        "file": reverse("native_video_file", args=[row.id]) if is_ready else None,
    }


urls = [
    path(f"{TRANSCRIPTION}/videos", VideosView.as_view(), name="native_videos"),
    path("videos/<uuid:video_id>", VideoView.as_view(), name="native_video"),
    path("videos/<uuid:video_id>/file", VideoFileView.as_view(), name="native_video_file"),
]

from django.urls import path

from portal.api.native import (
    audit,
    fetches,
    keys,
    recordings,
    s3_uploads,
    search,
    segments,
    sockets,
    transcriptions,
    transcripts,
    uploads,
    usage,
    webhooks,
)

urlpatterns = [
    *recordings.urls,
    *transcriptions.urls,
    *transcripts.urls,
    *fetches.urls,
    *webhooks.urls,
    path("uploads", uploads.UploadsView.as_view(), name="native_uploads"),
    path("uploads/<uuid:upload_id>", uploads.UploadView.as_view(), name="native_upload"),
    path("uploads/multipart", s3_uploads.MultipartsView.as_view(), name="native_multiparts"),
    path("uploads/multipart/<uuid:upload_id>", s3_uploads.MultipartView.as_view(), name="native_multipart"),
    path("uploads/multipart/<uuid:upload_id>/urls", s3_uploads.PartUrlsView.as_view(), name="native_part_urls"),
    path("uploads/multipart/<uuid:upload_id>/complete", s3_uploads.CompleteView.as_view(), name="native_complete"),
    path(
        "transcriptions/<uuid:transcription_id>/segments",
        segments.SegmentsView.as_view(),
        name="native_segments",
    ),
    path(
        "transcriptions/<uuid:transcription_id>/segments/<int:index>",
        segments.SegmentView.as_view(),
        name="native_segment",
    ),
    path(
        "transcriptions/<uuid:transcription_id>/segments/<int:index>/split",
        segments.SplitView.as_view(),
        name="native_split",
    ),
    path(
        "transcriptions/<uuid:transcription_id>/segments/<int:index>/merge",
        segments.MergeView.as_view(),
        name="native_merge",
    ),
    path(
        "transcriptions/<uuid:transcription_id>/revisions",
        segments.RevisionsView.as_view(),
        name="native_revisions",
    ),
    path("transcriptions/<uuid:transcription_id>/revert", segments.RevertView.as_view(), name="native_revert"),
    path("search", search.SearchView.as_view(), name="native_search"),
    path("socket-tickets", sockets.SocketTicketsView.as_view(), name="native_socket_tickets"),
    *keys.urls,
    *audit.urls,
    *usage.urls,
]

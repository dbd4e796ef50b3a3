from django.urls import path

from portal.api.native import audit, keys, usage, views

urlpatterns = [
    path("recordings", views.RecordingsView.as_view(), name="native_recordings"),
    path("recordings/<uuid:recording_id>", views.RecordingView.as_view(), name="native_recording"),
    path(
        "recordings/<uuid:recording_id>/transcript.<str:extension>",
        views.LatestTranscriptView.as_view(),
        name="native_latest_transcript",
    ),
    path(
        "recordings/<uuid:recording_id>/transcriptions",
        views.TranscriptionsView.as_view(),
        name="native_transcriptions",
    ),
    path(
        "transcriptions/<uuid:transcription_id>",
        views.TranscriptionView.as_view(),
        name="native_transcription",
    ),
    path(
        "transcriptions/<uuid:transcription_id>/transcript.<str:extension>",
        views.TranscriptView.as_view(),
        name="native_transcript",
    ),
    path("transcriptions/<uuid:transcription_id>/cancel", views.CancelView.as_view(), name="native_cancel"),
    *keys.urls,
    *audit.urls,
    *usage.urls,
]

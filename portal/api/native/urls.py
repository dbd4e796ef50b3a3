from django.urls import path

from portal.api.native import views

urlpatterns = [
    path("recordings", views.RecordingsView.as_view(), name="native_recordings"),
    path("recordings/<uuid:recording_id>", views.RecordingView.as_view(), name="native_recording"),
    path(
        "recordings/<uuid:recording_id>/transcript.<str:extension>",
        views.TranscriptView.as_view(),
        name="native_transcript",
    ),
]

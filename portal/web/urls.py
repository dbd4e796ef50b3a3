"""The URLs of the pages."""

from __future__ import annotations

from django.urls import path
from django.views.i18n import set_language

from portal.web import (
    api_pages,
    audit,
    history,
    keys,
    ledger,
    media,
    notices,
    preferences,
    recordings,
    segments,
    tenant,
    transcriptions,
    usage,
    webhooks,
)

app_name = "web"
urlpatterns = [
    path("", tenant.home, name="home"),
    path("recordings/", recordings.recordings, name="recordings"),
    path("recordings/rows/", recordings.rows, name="rows"),
    path("recordings/<uuid:recording_id>/", recordings.recording, name="recording"),
    path("recordings/<uuid:recording_id>/media", media.media, name="media"),
    path("recordings/<uuid:recording_id>/peaks.json", media.peaks, name="peaks"),
    path("recordings/<uuid:recording_id>/delete/", recordings.delete, name="delete"),
    path("recordings/<uuid:recording_id>/restore/", recordings.restore, name="restore"),
    path("recordings/<uuid:recording_id>/again/", recordings.again, name="again"),
    path("transcriptions/<uuid:transcription_id>/download.<slug:format>", transcriptions.download, name="download"),
    path("transcriptions/<uuid:transcription_id>/cancel/", transcriptions.cancel, name="cancel"),
    path("transcriptions/<uuid:transcription_id>/track/", transcriptions.track, name="track"),
    path("transcriptions/<uuid:transcription_id>/retry/", transcriptions.retry, name="retry"),
    path("transcriptions/<uuid:transcription_id>/segments/<int:index>/", segments.segment, name="segment"),
    path("transcriptions/<uuid:transcription_id>/history/", history.history, name="history"),
    path("transcriptions/<uuid:transcription_id>/revert/", segments.revert, name="revert"),
    path("keys/", keys.keys, name="keys"),
    path("keys/<uuid:key_id>/", keys.key, name="key"),
    path("keys/<uuid:key_id>/rotate/", keys.rotate, name="rotate"),
    path("keys/<uuid:key_id>/end-old-secret/", keys.end_old_secret, name="end_old_secret"),
    path("keys/<uuid:key_id>/keep/", keys.keep, name="keep_key"),
    path("keys/<uuid:key_id>/revoke/", keys.revoke, name="revoke"),
    path("webhooks/", webhooks.webhooks, name="webhooks"),
    path("webhooks/<uuid:endpoint_id>/", webhooks.webhook, name="webhook"),
    path("webhooks/<uuid:endpoint_id>/pause/", webhooks.pause, name="pause_webhook"),
    path("webhooks/<uuid:endpoint_id>/resume/", webhooks.resume, name="resume_webhook"),
    path("webhooks/<uuid:endpoint_id>/rotate/", webhooks.rotate, name="rotate_webhook"),
    path("webhooks/<uuid:endpoint_id>/test/", webhooks.test, name="test_webhook"),
    path("webhooks/<uuid:endpoint_id>/delete/", webhooks.delete, name="delete_webhook"),
    path("webhooks/<uuid:endpoint_id>/deliveries/<uuid:delivery_id>/replay/", webhooks.replay, name="replay_delivery"),
    path("audit/", audit.audit, name="audit"),
    path("audit/audit.csv", audit.download, name="audit_csv"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("usage/", usage.usage, name="usage"),
    path("usage/ledger.csv", ledger.ledger, name="ledger"),
    path("notices/<int:notice_id>/dismiss/", notices.dismiss, name="dismiss"),
    path("api/docs/", api_pages.swagger, name="swagger"),
    path("api/reference/", api_pages.redoc, name="redoc"),
    path("api/examples/", api_pages.examples, name="examples"),
    path("tenant/", tenant.switch, name="tenant"),
    path("language/", set_language, name="set_language"),
]

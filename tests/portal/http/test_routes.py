"""Every route that there is, is meant: one that a library brings along unasked fails here.

A new route is written down where it belongs. `-` is the folder itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

from portal import consumers

# Sign-in and passwords: of django-allauth, these only; and invitations.
ACCOUNTS = """
    login/
    login/second/
    login/passkey/
    login/organisation/
    login/organisation/<uuid:tenant_id>/
    login/organisation/<uuid:tenant_id>/back/
    login/organisation/<uuid:tenant_id>/metadata/
    again/
    again/code/
    again/key/
    security/
    security/app/
    security/app/remove/
    security/keys/
    security/keys/<int:pk>/
    security/keys/<int:pk>/remove/
    security/codes/
    security/codes/new/
    logout/
    signup/
    inactive/
    devices/
    devices/sign-out/
    name/
    password/change/
    password/reset/
    password/reset/done/
    ^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$
    password/reset/key/done/
    invitations/<uuid:invitation_id>/
    invitations/<uuid:invitation_id>-<str:key>/
"""
# Of operators.
ADMIN = """
    operations/
    operations/queue/
    operations/failures/
    operations/engines/
    operations/alerts/
    operations/latency/
    operations/transcriptions/<uuid:transcription_id>/
    -
    login/
    logout/
    password_change/
    password_change/done/
    autocomplete/
    jsi18n/
    r/<path:content_type_id>/<path:object_id>/
    tenants/tenant/<uuid:tenant_id>/key/
    tenants/tenant/<uuid:tenant_id>/invitation/
    tenants/member/<int:member_id>/act/
    tenants/tenant/import/
    tenants/tenant/process_import/
    tenants/tenant/export/
    tenants/member/import/
    tenants/member/process_import/
    tenants/member/export/
    tenants/plan/import/
    tenants/plan/process_import/
    tenants/plan/export/
    tenants/apikey/export/
    tenants/ledgerentry/export/
    tenants/user/<id>/password/
    offboarding/deletion/tenant/<uuid:tenant_id>/
    offboarding/deletion/tenant/<uuid:tenant_id>/archive/
    offboarding/deletion/<uuid:deletion_id>/receipt.json
    (?P<url>.*)$
"""
# Models in the admin; of each the list, and the pages to add, look at, change and delete one.
ADMIN_MODELS = """
    auth/group
    tenants/tenant
    tenants/user
    tenants/apikey
    tenants/usagemonth
    tenants/reservation
    tenants/ledgerentry
    tenants/notice
    tenants/auditentry
    tenants/accountcheck
    tenants/plan
    tenants/member
    tenants/supportvisit
    tenants/announcement
    tenants/maintenance
    transcription/transcription
    transcription/recording
    transcription/engine
    webhooks/endpoint
    webhooks/delivery
    shares/share
    rules/rule
    exchange/place
    exchange/delivery
    exchange/arrival
    fetches/fetch
    uploads/upload
    offboarding/deletion
"""
# django-rq's dashboard, in the admin.
QUEUES = r"""
    ^stats.json/?$
    ^stats.json/(?P<token>[\w]+)?/?$
    ^metrics/?$
    queues/<int:queue_index>/
    queues/<int:queue_index>/details/
    queues/<int:queue_index>/finished/
    queues/<int:queue_index>/failed/
    queues/<int:queue_index>/failed/clear/
    queues/<int:queue_index>/scheduled/
    queues/<int:queue_index>/started/
    queues/<int:queue_index>/deferred/
    queues/<int:queue_index>/empty/
    queues/<int:queue_index>/requeue-all/
    queues/<int:queue_index>/<str:job_id>/
    queues/<int:queue_index>/<str:job_id>/results/<str:result_id>/
    queues/<int:queue_index>/<str:job_id>/delete/
    queues/<int:queue_index>/<str:job_id>/requeue/
    queues/<int:queue_index>/<str:job_id>/enqueue/
    queues/<int:queue_index>/<str:job_id>/stop/
    queues/confirm-action/<int:queue_index>/
    queues/actions/<int:queue_index>/
    workers/<int:queue_index>/
    workers/<int:queue_index>/<str:key>/
    schedulers/<int:scheduler_index>/
    cron-schedulers/<int:connection_index>/<str:scheduler_name>/
    cron-schedulers/<int:connection_index>/<str:scheduler_name>/jobs/<path:cron_job_name>/
"""
# With API keys.
API = """
    ^scim/v2(?P<path>/.*)?$
    v1/audio/transcriptions
    v1/audio/translations
    v1/models
    v1/models/<path:name>
    api/v1/recordings
    api/v1/recordings/<uuid:recording_id>
    api/v1/recordings/<uuid:recording_id>/receipt
    api/v1/recordings/<uuid:recording_id>/transcriptions
    api/v1/transcriptions/<uuid:transcription_id>
    api/v1/transcriptions/<uuid:transcription_id>/cancel
    api/v1/transcriptions/<uuid:transcription_id>/retry
    api/v1/transcriptions/<uuid:transcription_id>/translation
    api/v1/transcriptions/<uuid:transcription_id>/videos
    api/v1/videos/<uuid:video_id>
    api/v1/videos/<uuid:video_id>/file
    api/v1/recordings/<uuid:recording_id>/transcript.<str:extension>
    api/v1/transcriptions/<uuid:transcription_id>/transcript.<str:extension>
    api/v1/fetches
    api/v1/fetches/<uuid:fetch_id>
    api/v1/fetches/<uuid:fetch_id>/cancel
    api/v1/recordings/<uuid:recording_id>/shares
    api/v1/recordings/<uuid:recording_id>/shares/<uuid:share_id>
    api/v1/recordings/<uuid:recording_id>/shares/<uuid:share_id>/comments
    api/v1/shares
    api/v1/shares/revoke
    api/v1/shares/<uuid:share_id>/keep
    api/v1/preferences
    api/v1/preferences/access
    api/v1/places
    api/v1/places/<uuid:place_id>
    api/v1/places/<uuid:place_id>/test
    api/v1/places/<uuid:place_id>/deliveries
    api/v1/places/<uuid:place_id>/deliveries/<uuid:delivery_id>/again
    api/v1/places/<uuid:place_id>/arrivals
    api/v1/rules
    api/v1/rules/preview
    api/v1/rules/<uuid:rule_id>
    api/v1/webhooks
    api/v1/webhooks/<uuid:endpoint_id>
    api/v1/webhooks/<uuid:endpoint_id>/rotate
    api/v1/webhooks/<uuid:endpoint_id>/test
    api/v1/webhooks/<uuid:endpoint_id>/deliveries
    api/v1/webhooks/<uuid:endpoint_id>/deliveries/<uuid:delivery_id>
    api/v1/webhooks/<uuid:endpoint_id>/deliveries/<uuid:delivery_id>/replay
    api/v1/uploads
    api/v1/uploads/<uuid:upload_id>
    api/v1/uploads/multipart
    api/v1/uploads/multipart/<uuid:upload_id>
    api/v1/uploads/multipart/<uuid:upload_id>/urls
    api/v1/uploads/multipart/<uuid:upload_id>/complete
    api/v1/transcriptions/<uuid:transcription_id>/segments
    api/v1/transcriptions/<uuid:transcription_id>/segments/<int:index>
    api/v1/transcriptions/<uuid:transcription_id>/proofreading
    api/v1/transcriptions/<uuid:transcription_id>/rehearings
    api/v1/transcriptions/<uuid:transcription_id>/rehearings/<uuid:rehearing_id>
    api/v1/transcriptions/<uuid:transcription_id>/rehearings/<uuid:rehearing_id>/take
    api/v1/transcriptions/<uuid:transcription_id>/segments/<int:index>/check
    api/v1/transcriptions/<uuid:transcription_id>/segments/hits
    api/v1/transcriptions/<uuid:transcription_id>/segments/substitute
    api/v1/transcriptions/<uuid:transcription_id>/segments/shift
    api/v1/transcriptions/<uuid:transcription_id>/segments/<int:index>/split
    api/v1/transcriptions/<uuid:transcription_id>/segments/<int:index>/merge
    api/v1/transcriptions/<uuid:transcription_id>/strikes
    api/v1/recordings/<uuid:recording_id>/comments
    api/v1/recordings/<uuid:recording_id>/comments/<uuid:comment_id>
    api/v1/transcriptions/<uuid:transcription_id>/speakers
    api/v1/transcriptions/<uuid:transcription_id>/speakers/assign
    api/v1/transcriptions/<uuid:transcription_id>/speakers/<int:number>
    api/v1/transcriptions/<uuid:transcription_id>/speakers/<int:number>/merge
    api/v1/transcriptions/<uuid:transcription_id>/revisions
    api/v1/transcriptions/<uuid:transcription_id>/revert
    api/v1/search
    api/v1/socket-tickets
    api/v1/keys
    api/v1/keys/<uuid:key_id>
    api/v1/keys/<uuid:key_id>/rotate
    api/v1/keys/<uuid:key_id>/old-secret
    api/v1/substitutions
    api/v1/substitutions/hits
    api/v1/series
    api/v1/series/<uuid:series_id>/undo
    api/v1/terms
    api/v1/terms/<uuid:term_id>
    api/v1/folders
    api/v1/folders/<uuid:folder_id>
    api/v1/recordings/<uuid:recording_id>/folder
    api/v1/bin
    api/v1/recordings/<uuid:recording_id>/bin
    api/v1/recordings/<uuid:recording_id>/hold
    api/v1/folders/<uuid:folder_id>/retention
    api/v1/tags/<uuid:tag_id>/retention
    api/v1/tags
    api/v1/tags/<uuid:tag_id>
    api/v1/tags/<uuid:tag_id>/merge
    api/v1/views
    api/v1/views/<uuid:view_id>
    api/v1/recordings/<uuid:recording_id>/tags
    api/v1/recordings/<uuid:recording_id>/tags/<uuid:tag_id>
    api/v1/audit
    api/v1/usage
    api/v1/ledger
    api/openapi.json
    api/openapi.yaml
    api/docs/
    api/reference/
    api/examples/
"""
# With a session, but for `health` and `metrics`.
PAGES = """
    health
    livez
    readyz
    metrics
    -
    recordings/
    recordings/many/
    recordings/many/count/
    recordings/many/transcripts.zip
    recordings/rows/
    recordings/substitutions/
    recordings/substitutions/hits/
    recordings/substitutions/replace/
    series/<uuid:series_id>/undo/
    recordings/<uuid:recording_id>/
    recordings/<uuid:recording_id>/menu/
    recordings/<uuid:recording_id>/favourite/
    recordings/<uuid:recording_id>/tags/
    folders/<uuid:folder_id>/retention/
    views/
    views/<uuid:view_id>/
    views/<uuid:view_id>/delete/
    tags/<uuid:tag_id>/retention/
    recordings/<uuid:recording_id>/tags/<uuid:tag_id>/remove/
    recordings/<uuid:recording_id>/shares/
    shares/
    shares/revoke/
    shares/<uuid:share_id>/
    shares/<uuid:share_id>/revoke/
    shares/<uuid:share_id>/comments/delete/
    shares/<uuid:share_id>/keep/
    s/<str:secret>/
    s/<str:secret>/state
    s/<str:secret>/comments/
    s/<str:secret>/comments/<uuid:comment_id>/
    s/<str:secret>/lines
    s/<str:secret>/lines/<int:index>/
    s/<str:secret>/transcript.<slug:format>
    s/<str:secret>/sound
    s/<str:secret>/peaks.json
    s/<str:secret>/embed
    s/<str:secret>/captions.vtt
    s/<str:secret>/<path:rest>
    folders/
    folders/names.json
    folders/<uuid:folder_id>/
    folders/<uuid:folder_id>/delete/
    folders/<uuid:folder_id>/terms/
    folders/<uuid:folder_id>/terms/terms.csv
    folders/<uuid:folder_id>/terms/import/
    folders/<uuid:folder_id>/members/
    folders/<uuid:folder_id>/members/<int:member_id>/remove/
    recordings/<uuid:recording_id>/folder/
    recordings/<uuid:recording_id>/name/
    transcriptions/<uuid:transcription_id>/choose/
    tags/
    tags/<uuid:tag_id>/
    tags/<uuid:tag_id>/merge/
    tags/<uuid:tag_id>/delete/
    recordings/<uuid:recording_id>/comments/
    recordings/<uuid:recording_id>/comments/<uuid:comment_id>/
    recordings/<uuid:recording_id>/media
    recordings/<uuid:recording_id>/peaks.json
    recordings/<uuid:recording_id>/receipt.json
    recordings/<uuid:recording_id>/hold/
    bin/
    bin/<uuid:recording_id>/erase/
    receipts/
    recordings/<uuid:recording_id>/delete/
    recordings/<uuid:recording_id>/restore/
    recordings/<uuid:recording_id>/again/
    transcriptions/<uuid:transcription_id>/download.<slug:format>
    transcriptions/<uuid:transcription_id>/cancel/
    transcriptions/<uuid:transcription_id>/retry/
    transcriptions/<uuid:transcription_id>/beside/
    transcriptions/<uuid:transcription_id>/cues/
    transcriptions/<uuid:transcription_id>/videos/
    videos/<uuid:video_id>/file
    videos/<uuid:video_id>/delete/
    transcriptions/<uuid:transcription_id>/beside/<uuid:other_id>/
    transcriptions/<uuid:transcription_id>/track/
    transcriptions/<uuid:transcription_id>/walk/
    transcriptions/<uuid:transcription_id>/rehearings/
    transcriptions/<uuid:transcription_id>/rehearings/<uuid:rehearing_id>/
    transcriptions/<uuid:transcription_id>/hits/
    transcriptions/<uuid:transcription_id>/substitute/
    transcriptions/<uuid:transcription_id>/lines/
    transcriptions/<uuid:transcription_id>/segments/shift/
    transcriptions/<uuid:transcription_id>/segments/<int:index>/
    transcriptions/<uuid:transcription_id>/segments/<int:index>/split/
    transcriptions/<uuid:transcription_id>/segments/<int:index>/merge/
    transcriptions/<uuid:transcription_id>/segments/<int:index>/remove/
    transcriptions/<uuid:transcription_id>/segments/<int:index>/times/
    transcriptions/<uuid:transcription_id>/strikes/
    transcriptions/<uuid:transcription_id>/speakers/
    transcriptions/<uuid:transcription_id>/history/
    transcriptions/<uuid:transcription_id>/revert/
    keys/
    keys/<uuid:key_id>/
    keys/<uuid:key_id>/rotate/
    keys/<uuid:key_id>/end-old-secret/
    keys/<uuid:key_id>/revoke/
    keys/<uuid:key_id>/keep/
    people/
    people/many/
    people/directory/
    people/directory/<uuid:token_id>/revoke/
    people/sign-in/
    people/sign-in/test/
    people/sign-in/remove/
    people/second-factor/
    people/voices/
    people/<int:member_id>/second-factor/reset/
    people/<int:member_id>/role/
    people/<int:member_id>/owner/
    people/<int:member_id>/remove/
    invitations/<uuid:invitation_id>/again/
    invitations/<uuid:invitation_id>/revoke/
    terms/
    terms/terms.csv
    terms/import/
    terms/<uuid:term_id>/
    terms/<uuid:term_id>/delete/
    rules/
    rules/new/
    rules/preview/
    rules/places/
    rules/places/<uuid:place_id>/
    rules/places/<uuid:place_id>/delete/
    rules/places/<uuid:place_id>/test/
    rules/places/<uuid:place_id>/deliveries/<uuid:export_id>/again/
    rules/<uuid:rule_id>/
    rules/<uuid:rule_id>/move/
    rules/<uuid:rule_id>/switch/
    rules/<uuid:rule_id>/delete/
    webhooks/
    webhooks/<uuid:endpoint_id>/
    webhooks/<uuid:endpoint_id>/pause/
    webhooks/<uuid:endpoint_id>/resume/
    webhooks/<uuid:endpoint_id>/rotate/
    webhooks/<uuid:endpoint_id>/test/
    webhooks/<uuid:endpoint_id>/delete/
    webhooks/<uuid:endpoint_id>/deliveries/<uuid:delivery_id>/replay/
    audit/
    audit/audit.csv
    preferences/
    preferences/access/
    preferences/addresses/
    usage/
    usage/ledger.csv
    voice/
    voice/check/
    voice/revoke/
    notices/<int:notice_id>/dismiss/
    tenant/
    support/end/
    announcements/<int:announcement_id>/dismiss/
    language/
"""
# WebSockets; any other address is told that there is nothing.
SOCKETS = """
    -
    ws/transcriptions/<uuid:transcription_id>/
    ws/transcripts/<uuid:transcription_id>/
    ws/recordings/
    ws/operations/<slug:page>/
    v1/realtime
    v1/realtime/
"""
MODEL_PAGES = (
    "",
    "add/",
    "<path:object_id>/",
    *(f"<path:object_id>/{page}/" for page in ("history", "delete", "change")),
)


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for one in resolver.url_patterns:
        path = f"{prefix}{one.pattern}"
        if isinstance(one, URLPattern):
            yield path
        else:
            yield from routes(one, path)


def under(folder: str, written: str) -> set[str]:
    return {folder + ("" if line == "-" else line) for line in written.split()}


def test_every_route_is_meant() -> None:
    admin = under("admin/", ADMIN) | under("admin/django_rq/dashboard/", QUEUES)
    models = {
        f"admin/{model}/{page}" for model in [*ADMIN_MODELS.split(), "django_rq/dashboard"] for page in MODEL_PAGES
    }
    meant = under("accounts/", ACCOUNTS) | admin | models | under("", API) | under("", PAGES)
    found = [path for path in routes(get_resolver()) if "app_label" not in path]
    assert sorted(set(found) - meant) == []


def test_every_socket_is_meant() -> None:
    assert {str(one.pattern) for one in consumers.routes} <= under("", SOCKETS)

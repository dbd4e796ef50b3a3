"""What each scope may, and who else gets in. A new route is a new line."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from portal.api.native import urls as native
from tenants import scope
from tenants.models import ApiKey
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.web.conftest import make_rehearing, make_transcription, make_video
from transcription.comments import threads
from transcription.exchange.models import Delivery as Export
from transcription.exchange.models import Place
from transcription.fetches import access
from transcription.folders import folders
from transcription.intake.request import CallContext
from transcription.library import saved_views, tags
from transcription.models import Speaker, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.rules import editing
from transcription.shares import links
from transcription.transcripts import series, terms
from transcription.transcripts.series import Target
from transcription.transcripts.substitution import Search
from transcription.uploads import creation
from transcription.uploads.creation import Plan
from transcription.webhooks import events
from transcription.webhooks.models import Endpoint

AGREED = {"If-Match": "*", "Tus-Resumable": "1.0.0"}
UNKNOWN = "00000000-0000-4000-8000-000000000000"

READ = {"read": 200, "write": 200, "admin": 200}
WRITE_201 = {"read": 403, "write": 201, "admin": 201}
WRITE_202 = {"read": 403, "write": 202, "admin": 202}
WRITE_204 = {"read": 403, "write": 204, "admin": 204}
WRITE_400 = {"read": 403, "write": 400, "admin": 400}  # the body was left out on purpose
WRITE_409 = {"read": 403, "write": 409, "admin": 409}  # it is over already
ADMIN = {"read": 403, "write": 403, "admin": 200}
READ_201 = {"read": 201, "write": 201, "admin": 201}
WRITE = {"read": 403, "write": 200, "admin": 200}
ADMIN_202 = {"read": 403, "write": 403, "admin": 202}
ADMIN_400 = {"read": 403, "write": 403, "admin": 400}
ADMIN_201 = {"read": 403, "write": 403, "admin": 201}
ADMIN_204 = {"read": 403, "write": 403, "admin": 204}

TABLE: list[tuple[str, str, Any, dict[str, int]]] = [
    ("GET", "/api/v1/recordings", None, READ),
    ("POST", "/api/v1/recordings", None, WRITE_400),
    ("GET", "/api/v1/recordings/{recording}", None, READ),
    ("DELETE", "/api/v1/recordings/{recording}", None, WRITE_204),
    ("GET", "/api/v1/recordings/{recording}/receipt", None, ADMIN),
    ("GET", "/api/v1/recordings/{recording}/transcript.txt", None, READ),
    ("GET", "/api/v1/recordings/{recording}/transcriptions", None, READ),
    ("POST", "/api/v1/recordings/{recording}/transcriptions", {}, WRITE_201),
    ("GET", "/api/v1/transcriptions/{transcription}", None, READ),
    ("GET", "/api/v1/transcriptions/{transcription}/transcript.txt", None, READ),
    ("POST", "/api/v1/transcriptions/{transcription}/cancel", None, WRITE_409),
    ("POST", "/api/v1/transcriptions/{transcription}/retry", None, WRITE_409),
    ("POST", "/api/v1/transcriptions/{transcription}/translation", None, WRITE_409),
    ("GET", "/api/v1/transcriptions/{transcription}/videos", None, READ),
    ("POST", "/api/v1/transcriptions/{transcription}/videos", {"kind": "burnt"}, WRITE_202),
    ("GET", "/api/v1/videos/{video}", None, READ),
    ("GET", "/api/v1/videos/{video}/file", None, READ),
    ("DELETE", "/api/v1/videos/{video}", None, WRITE_204),
    ("GET", "/api/v1/keys", None, ADMIN),
    ("POST", "/api/v1/keys", {"name": "x"}, ADMIN_201),
    ("GET", "/api/v1/keys/{key}", None, ADMIN),
    ("PATCH", "/api/v1/keys/{key}", {"name": "y"}, ADMIN),
    ("DELETE", "/api/v1/keys/{key}", None, ADMIN_204),
    ("POST", "/api/v1/keys/{key}/rotate", None, ADMIN),
    ("DELETE", "/api/v1/keys/{key}/old-secret", None, ADMIN_204),
    ("GET", "/api/v1/substitutions/hits?find=o", None, READ),
    (
        "POST",
        "/api/v1/substitutions",
        {"find": "a", "transcripts": [{"transcription": UNKNOWN, "revision": 0}]},
        WRITE,
    ),
    ("GET", "/api/v1/series", None, READ),
    ("POST", "/api/v1/series/{series}/undo", None, WRITE),
    ("GET", "/api/v1/terms", None, READ),
    ("POST", "/api/v1/terms", {"text": "Kubernetes"}, WRITE_201),
    ("GET", "/api/v1/terms/{term}", None, READ),
    ("PATCH", "/api/v1/terms/{term}", {"active": False}, WRITE),
    ("DELETE", "/api/v1/terms/{term}", None, WRITE_204),
    ("GET", "/api/v1/folders", None, READ),
    ("POST", "/api/v1/folders", {"name": "Talks"}, WRITE_201),
    ("GET", "/api/v1/folders/{folder}", None, READ),
    ("PATCH", "/api/v1/folders/{folder}", {"restricted": True}, ADMIN),
    ("DELETE", "/api/v1/folders/{folder}", None, ADMIN_204),
    ("PATCH", "/api/v1/recordings/{recording}", {"name": "Board"}, WRITE),
    ("PUT", "/api/v1/recordings/{recording}/folder", {"folder": "none"}, WRITE),
    ("GET", "/api/v1/bin", None, WRITE),
    ("DELETE", "/api/v1/bin", None, WRITE_204),
    ("PUT", "/api/v1/recordings/{recording}/bin", None, WRITE),
    ("DELETE", "/api/v1/recordings/{recording}/bin", None, WRITE),
    ("GET", "/api/v1/recordings/{recording}/hold", None, READ),
    ("PUT", "/api/v1/recordings/{recording}/hold", {"reason": "Lawsuit"}, ADMIN),
    ("DELETE", "/api/v1/recordings/{recording}/hold", None, ADMIN_204),
    ("PUT", "/api/v1/folders/{folder}/retention", {"audio_days": 30, "text_days": None}, ADMIN),
    ("PUT", "/api/v1/tags/{tag}/retention", {"audio_days": None, "text_days": 30}, ADMIN),
    ("GET", "/api/v1/tags", None, READ),
    ("POST", "/api/v1/tags", {"name": "Interviews"}, WRITE_201),
    ("GET", "/api/v1/tags/{tag}", None, READ),
    ("PATCH", "/api/v1/tags/{tag}", {"name": "Talks", "colour": 3}, WRITE),
    ("DELETE", "/api/v1/tags/{tag}", None, WRITE_204),
    ("GET", "/api/v1/views", None, READ),
    ("POST", "/api/v1/views", {"name": "Held", "query": {"held": "1"}}, ADMIN_201),
    ("GET", "/api/v1/views/{view}", None, READ),
    ("PATCH", "/api/v1/views/{view}", {"name": "On hold"}, ADMIN),
    ("DELETE", "/api/v1/views/{view}", None, ADMIN_204),
    ("POST", "/api/v1/tags/{tag}/merge", {"into": "another"}, WRITE_400),
    ("GET", "/api/v1/recordings/{recording}/tags", None, READ),
    ("POST", "/api/v1/recordings/{recording}/tags", {"name": "Interviews"}, WRITE),
    ("DELETE", "/api/v1/recordings/{recording}/tags/{tag}", None, WRITE_204),
    ("GET", "/api/v1/recordings/{recording}/shares", None, WRITE),
    ("POST", "/api/v1/recordings/{recording}/shares", {"label": "For Guest"}, WRITE_201),
    ("GET", "/api/v1/recordings/{recording}/shares/{share}", None, WRITE),
    ("DELETE", "/api/v1/recordings/{recording}/shares/{share}", None, WRITE_204),
    ("DELETE", "/api/v1/recordings/{recording}/shares/{share}/comments", None, WRITE),
    ("GET", "/api/v1/shares", None, ADMIN),
    ("POST", "/api/v1/shares/revoke", {"made_by": "alice@acme.example"}, ADMIN),
    ("POST", "/api/v1/shares/{share}/keep", None, ADMIN),
    ("GET", "/api/v1/audit", None, ADMIN),
    ("GET", "/api/v1/usage", None, READ),
    ("GET", "/api/v1/ledger", None, READ),
    ("GET", "/api/v1/search?q=hello", None, READ),
    ("POST", "/api/v1/socket-tickets", None, READ_201),
    ("GET", "/api/v1/transcriptions/{transcription}/segments", None, READ),
    ("PUT", "/api/v1/transcriptions/{transcription}/segments", {"segments": []}, WRITE),
    ("GET", "/api/v1/transcriptions/{transcription}/segments/0", None, READ),
    ("PATCH", "/api/v1/transcriptions/{transcription}/segments/0", {"text": "x"}, WRITE),
    ("DELETE", "/api/v1/transcriptions/{transcription}/segments/0", None, WRITE_204),
    ("POST", "/api/v1/transcriptions/{transcription}/segments/0/split", {"position": 2}, WRITE),
    ("POST", "/api/v1/transcriptions/{transcription}/segments/0/merge", None, WRITE),
    ("GET", "/api/v1/transcriptions/{transcription}/proofreading", None, READ),
    ("POST", "/api/v1/transcriptions/{transcription}/segments/0/check", {}, WRITE),
    ("DELETE", "/api/v1/transcriptions/{transcription}/segments/0/check", None, WRITE),
    ("POST", "/api/v1/transcriptions/{transcription}/rehearings", {"first": 0, "last": 0}, WRITE_201),
    ("GET", "/api/v1/transcriptions/{transcription}/strikes", None, READ),
    ("GET", "/api/v1/recordings/{recording}/comments", None, READ),
    ("POST", "/api/v1/recordings/{recording}/comments", {"start": 0.0, "end": 1.0, "text": "Who?"}, WRITE_201),
    ("PATCH", "/api/v1/recordings/{recording}/comments/{comment}", {"resolved": True}, WRITE),
    ("DELETE", "/api/v1/recordings/{recording}/comments/{comment}", None, WRITE_204),
    ("POST", "/api/v1/transcriptions/{transcription}/strikes", {"first": 0}, WRITE),
    ("GET", "/api/v1/transcriptions/{transcription}/rehearings/{rehearing}", None, READ),
    ("DELETE", "/api/v1/transcriptions/{transcription}/rehearings/{rehearing}", None, WRITE_204),
    ("POST", "/api/v1/transcriptions/{transcription}/rehearings/{rehearing}/take", None, WRITE),
    ("GET", "/api/v1/transcriptions/{transcription}/segments/hits?find=o", None, READ),
    (
        "POST",
        "/api/v1/transcriptions/{transcription}/segments/substitute",
        {"find": "a", "replacement": "b"},
        WRITE,
    ),
    ("POST", "/api/v1/transcriptions/{transcription}/segments/shift", {"seconds": 0.1}, WRITE),
    ("GET", "/api/v1/transcriptions/{transcription}/speakers", None, READ),
    ("PATCH", "/api/v1/transcriptions/{transcription}/speakers/0", {"name": "Ann"}, WRITE),
    ("POST", "/api/v1/transcriptions/{transcription}/speakers/0/merge", {"into": 1}, WRITE),
    ("POST", "/api/v1/transcriptions/{transcription}/speakers/assign", {"first": 0, "last": 1, "new": True}, WRITE),
    ("GET", "/api/v1/transcriptions/{transcription}/revisions", None, READ),
    ("POST", "/api/v1/transcriptions/{transcription}/revert", {"revision": 0}, WRITE),
    ("GET", "/api/v1/fetches", None, READ),
    ("GET", "/api/v1/fetches/{fetch}", None, READ),
    ("POST", "/api/v1/fetches/{fetch}/cancel", None, WRITE),
    ("GET", "/api/v1/rules", None, ADMIN),
    ("POST", "/api/v1/rules", {"name": "x", "effects": {}}, ADMIN_400),
    ("POST", "/api/v1/rules/preview", None, ADMIN),
    ("GET", "/api/v1/rules/{rule}", None, ADMIN),
    ("PATCH", "/api/v1/rules/{rule}", {"active": False}, ADMIN),
    ("DELETE", "/api/v1/rules/{rule}", None, ADMIN_204),
    ("GET", "/api/v1/preferences", None, ADMIN),
    ("PATCH", "/api/v1/preferences", {"speakers": "auto"}, ADMIN),
    ("GET", "/api/v1/preferences/access", None, ADMIN),
    ("PATCH", "/api/v1/preferences/access", {"allows_sharing": False}, ADMIN),
    ("GET", "/api/v1/places", None, ADMIN),
    ("POST", "/api/v1/places", {"name": "x", "kind": "nonsense"}, ADMIN_400),
    ("GET", "/api/v1/places/{place}", None, ADMIN),
    ("PATCH", "/api/v1/places/{place}", {"paused": True}, ADMIN),
    ("DELETE", "/api/v1/places/{place}", None, ADMIN_204),
    ("POST", "/api/v1/places/{place}/test", None, ADMIN),
    ("GET", "/api/v1/places/{place}/deliveries", None, ADMIN),
    ("POST", "/api/v1/places/{place}/deliveries/{delivery}/again", None, ADMIN_202),
    ("GET", "/api/v1/places/{place}/arrivals", None, ADMIN),
    ("GET", "/api/v1/webhooks", None, ADMIN),
    ("POST", "/api/v1/webhooks", {"url": "nonsense"}, ADMIN_400),
    ("GET", "/api/v1/webhooks/{webhook}", None, ADMIN),
    ("PATCH", "/api/v1/webhooks/{webhook}", {"description": "x"}, ADMIN),
    ("DELETE", "/api/v1/webhooks/{webhook}", None, ADMIN_204),
    ("POST", "/api/v1/webhooks/{webhook}/rotate", None, ADMIN),
    ("POST", "/api/v1/webhooks/{webhook}/test", None, ADMIN_202),
    ("GET", "/api/v1/webhooks/{webhook}/deliveries", None, ADMIN),
    ("GET", "/api/v1/webhooks/{webhook}/deliveries/{delivery}", None, ADMIN),
    ("POST", "/api/v1/webhooks/{webhook}/deliveries/{delivery}/replay", None, ADMIN_202),
    ("GET", "/api/v1/uploads", None, WRITE),
    ("POST", "/api/v1/uploads", None, WRITE_400),
    ("GET", "/api/v1/uploads/{upload}", None, WRITE),
    ("HEAD", "/api/v1/uploads/{upload}", None, WRITE),
    ("DELETE", "/api/v1/uploads/{upload}", None, WRITE_204),
]
# They need S3, or a body that comes over ASGI.
ELSEWHERE = {
    "PATCH /api/v1/uploads/{upload}": "tests/transcription/uploads/test_tus.py",
    "/api/v1/uploads/multipart": "tests/transcription/uploads/test_multipart.py",
    "/api/v1/uploads/multipart/{upload}": "tests/transcription/uploads/test_multipart.py",
    "/api/v1/uploads/multipart/{upload}/urls": "tests/transcription/uploads/test_multipart.py",
    "/api/v1/uploads/multipart/{upload}/complete": "tests/transcription/uploads/test_multipart.py",
}
OPENAI = [
    ("GET", "/v1/models", READ),
    ("GET", "/v1/models/whisper-1", READ),
    ("POST", "/v1/audio/transcriptions", WRITE_400),
    ("POST", "/v1/audio/translations", WRITE_400),
]
CASES = [(*line[:3], key_scope, status) for line in TABLE for key_scope, status in line[3].items()]
ROUTES = [line[:3] for line in TABLE]


@pytest.fixture
def row(alice: Character) -> Transcription:
    row = make_transcription(alice.tenant, speakers="auto")
    with scope.bound(alice.tenant.id):
        Speaker.objects.bulk_create(Speaker.numbered(row, index) for index in (0, 1))
    return row


OF_MANAGERS = ("/receipt", "/hold", "/retention")


def address_of(path: str, row: Transcription, alice: Character) -> str:
    """A route about a transcription of Alice's, its recording, her key, or what else she made."""
    with scope.bound(row.tenant_id):
        key = ApiKey.objects.filter(created_by__email="alice@acme.example").order_by("created_at")[0]
        made: dict[str, Any] = {"recording": row.recording_id, "transcription": row.id, "key": key.id}
        if "{fetch}" in path:
            call = CallContext(endpoint=path, key="")
            url = "https://acme.example/board.mp3"
            made["fetch"] = access.create(alice.actor, url, "", TranscriptionOptions.checked(), call).fetch.id
        if "{webhook}" in path:
            hook = Endpoint.objects.create(tenant=row.tenant, url="https://acme.example/hook")
            made |= {"webhook": hook.id, "delivery": events.test_of(hook).id}
        if "{place}" in path:
            there = {"kind": "bucket", "endpoint": "https://acme.example", "bucket": "acme", "key_id": "a"}
            place = Place.objects.create(tenant=row.tenant, name="Archive", sealed_secret="unreadable", **there)
            export = Export.objects.create(tenant=row.tenant, place=place, recording=row.recording, formats=["txt"])
            made |= {"place": place.id, "delivery": export.id}
        if "{video}" in path:
            made["video"] = make_video(row).id
        if "{rehearing}" in path:
            made["rehearing"] = make_rehearing(row).id
        if "{comment}" in path:
            made["comment"] = threads.comment(alice.actor, row.recording_id, 0.0, 1.0, "Who?").id
        if "{term}" in path:
            made["term"] = terms.create(alice.actor, "Acme").id
        if "{folder}" in path:
            made["folder"] = folders.create(alice.actor, "Plans").id
        if "{rule}" in path:
            made["rule"] = editing.create(alice.actor, "Calls", {}, {"text_days": 30}).id
        if "{tag}" in path:
            made["tag"] = tags.create(alice.actor, "Board")[0].id
        if "{view}" in path:
            made["view"] = saved_views.save(alice.actor, "Held", {"held": "1"}, shared=True)[0].id
        if "{share}" in path:
            made["share"] = links.create(alice.actor, row.recording_id, links.LinkOptions()).share.id
        if "{series}" in path:
            made["series"], revision = uuid4(), Transcription.objects.get(id=row.id).revision
            substituted = series.replace(alice.actor, Search("o", "0"), [Target(row.id, revision)], made["series"])
            assert substituted == [(row.id, "replaced")]
        if "{upload}" in path:
            made["upload"] = creation.open_on_disk(alice.actor, Plan(name="board.mp3", length=1000)).id
    return path.format(**made)


def about_nothing(path: str) -> str:
    return re.sub(r"{\w+}", UNKNOWN, path)


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path", "body", "key_scope", "status"), CASES)
def test_each_scope_may_do_what_the_table_says(
    method: str, path: str, body: Any, key_scope: str, status: int, row: Transcription, alice: Character, client: Client
) -> None:
    answer = send(client, method, address_of(path, row, alice), bearer(alice, key_scope) | AGREED, body)
    assert answer.status_code == status, answer.content
    if status == 403 and method != "HEAD":
        of_managers = (
            "/api/v1/keys",
            "/api/v1/audit",
            "/api/v1/webhooks",
            "/api/v1/rules",
            "/api/v1/places",
            "/api/v1/shares",
            "/api/v1/views",
            "/api/v1/preferences",
            "/api/v1/folders/",
        )
        needed = "admin" if path.startswith(of_managers) or path.endswith(OF_MANAGERS) else "write"
        assert f"“{needed}”" in answer.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("method", "path", "scopes"), OPENAI)
def test_openais_routes_know_scopes_too(
    method: str, path: str, scopes: dict[str, int], alice: Character, client: Client
) -> None:
    """In one test: the views are asynchronous, so that each needs a database of its own."""
    for key_scope, status in scopes.items():
        answer = send(client, method, path, bearer(alice, key_scope))
        assert (key_scope, answer.status_code) == (key_scope, status)
        if status == 403:
            assert answer.json()["error"]["code"] == "insufficient_permissions"
            assert "“write”" in answer.json()["error"]["message"]
    assert send(client, method, path).status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path", "body"), [line for line in ROUTES if "{" in line[1]])
def test_another_tenant_gets_the_answer_for_nothing(
    method: str, path: str, body: Any, row: Transcription, alice: Character, mallory: Character, client: Client
) -> None:
    headers = bearer(mallory) | AGREED
    theirs = send(client, method, address_of(path, row, alice), headers, body)
    nothing = send(client, method, about_nothing(path), headers, body)
    assert (theirs.status_code, theirs.content) == (nothing.status_code, nothing.content)
    assert theirs.status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("path", [line[1] for line in TABLE if line[0] == "GET" and "{" not in line[1]])
def test_lists_hold_nothing_of_another_tenant(
    path: str, row: Transcription, alice: Character, mallory: Character, client: Client
) -> None:
    for thing in ("{fetch}", "{webhook}", "{upload}"):
        address_of(thing, row, alice)
    text = client.get(path, headers=bearer(mallory)).content.decode()
    assert "acme" not in text.lower()
    assert str(row.recording_id) not in text


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_nobody_and_the_signed_in_without_a_key_get_401(
    method: str, path: str, body: Any, row: Transcription, alice: Character, client: Client
) -> None:
    """Owners and viewers use the portal: their sessions open no API, but for the uploads that its pages make."""
    address = address_of(path, row, alice)
    assert send(client, method, address, AGREED, body).status_code == 401
    client.force_login(alice.user)
    if not path.startswith("/api/v1/uploads"):
        assert send(client, method, address, AGREED, body).status_code == 401


def test_every_route_is_in_the_table() -> None:
    names = {"endpoint": "{webhook}", "index": "0", "number": "0", "extension": "txt"}
    routes = {
        re.sub(r"<\w+:(\w+?)(_id)?>", lambda found: names.get(found[1], f"{{{found[1]}}}"), str(one.pattern))
        for one in native.urlpatterns
    }
    told = {line[1].partition("?")[0] for line in TABLE} | set(ELSEWHERE)
    assert {f"/api/v1/{route}" for route in routes} == {path for path in told if path.startswith("/")}

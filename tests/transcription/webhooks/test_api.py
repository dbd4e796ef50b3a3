"""Webhooks for programs, and who may touch them."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

import pytest
from django.conf import LazySettings
from django.test import Client

from tests.conftest import Character
from tests.receiver import Receiver
from tests.transcription.webhooks.conftest import completed
from transcription.webhooks import dispatcher
from transcription.webhooks.endpoints import MOST, Shown
from transcription.webhooks.models import SUBSCRIBABLE

pytestmark = pytest.mark.django_db
JSON = "application/json"
UNKNOWN = UUID("00000000-0000-4000-8000-000000000000")
HOSTILE = [
    "http://127.0.0.1/",
    "https://10.0.0.1/hook",
    "https://[::ffff:169.254.169.254]/",
    "https://localhost/",
    "https://user:secret@example.com/",
    "ftp://example.com/",
    "https://2130706433/",
    "nonsense",
    "",
]


def create(api: Client, url: str, **more: Any) -> dict[str, Any]:
    answer = api.post("/api/v1/webhooks", {"url": url, **more}, JSON)
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def test_a_webhook_is_made_and_its_secret_is_shown_once(api: Client, receiver: Receiver) -> None:
    answer = api.post("/api/v1/webhooks", {"url": receiver.url, "description": "Archive"}, JSON)
    made = answer.json()
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 32
    assert answer.headers["Cache-Control"] == "no-store"
    seen = api.get(answer.headers["Location"])
    assert seen.json() == {name: value for name, value in made.items() if name != "secret"}
    assert made["secret"] not in api.get("/api/v1/webhooks").content.decode()
    assert (made["status"], made["events"], made["description"]) == ("active", [], "Archive")


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_refused_with_the_reason(url: str, api: Client, settings: LazySettings) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    answer = api.post("/api/v1/webhooks", {"url": url}, JSON)
    assert (answer.status_code, answer.json()["param"]) == (400, "url")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert api.get("/api/v1/webhooks").json()["results"] == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ([], "body"),
        ({"url": 5}, "url"),
        ({"url": "http://127.0.0.1:9999/", "events": "all"}, "events"),
        ({"url": "http://127.0.0.1:9999/", "events": ["transcription.begun"]}, "events"),
        ({"url": "http://127.0.0.1:9999/", "events": [{}]}, "events"),
        ({"url": "http://127.0.0.1:9999/", "events": ["\ud800"]}, "events"),
        ({"url": "http://127.0.0.1:9999/", "description": "\ud800"}, "description"),
        ({"url": "http://127.0.0.1:9999/", "description": "x" * 201}, "description"),
    ],
)
def test_what_makes_no_sense_is_named(body: Any, param: str, api: Client) -> None:
    answer = api.post("/api/v1/webhooks", body, JSON)
    assert (answer.status_code, answer.json()["param"]) == (400, param)


def test_there_is_a_limit(api: Client, receiver: Receiver) -> None:
    for number in range(MOST):
        create(api, f"{receiver.url}/{number}")
    answer = api.post("/api/v1/webhooks", {"url": receiver.url}, JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")


def test_it_is_changed_paused_and_resumed(api: Client, receiver: Receiver) -> None:
    address = f"/api/v1/webhooks/{create(api, receiver.url)['id']}"
    changed = api.patch(address, {"events": SUBSCRIBABLE[::-1], "description": "New", "status": "paused"}, JSON).json()
    assert (changed["events"], changed["description"]) == (SUBSCRIBABLE, "New")
    assert (changed["status"], changed["paused"]["code"]) == ("paused", "by_hand")
    assert changed["paused"]["message"]
    for action in ("test",):
        answer = api.post(f"{address}/{action}")
        assert (answer.status_code, answer.json()["code"]) == (409, "paused")
    assert api.patch(address, {"status": "active"}, JSON).json()["status"] == "active"
    assert api.patch(address, {"status": "off"}, JSON).status_code == 400
    assert api.patch(address, {"url": "ftp://x/"}, JSON).status_code == 400
    assert api.delete(address).status_code == 204
    assert api.get(address).status_code == 404


def test_a_test_event_is_sent_and_its_log_can_be_read(api: Client, receiver: Receiver) -> None:
    receiver.status, receiver.body = 500, b"<b>oops</b>\x00"
    address = f"/api/v1/webhooks/{create(api, receiver.url, events=['quota.alert'])['id']}"
    answer = api.post(f"{address}/test")
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    dispatcher.send_due()
    seen = api.get(answer.headers["Location"]).json()
    assert seen["event"]["type"] == "webhook.test"
    assert (seen["response_status"], seen["error"]["code"]) == (500, "status")
    assert seen["log"][0]["response"] == "<b>oops</b>\ufffd"
    assert seen["body"] == receiver.requests[0].body.decode()
    receiver.status = 200
    assert api.post(f"{answer.headers['Location']}/replay").status_code == 202
    dispatcher.send_due()
    assert api.get(answer.headers["Location"]).json()["status"] == "delivered"


def test_deliveries_are_listed_newest_first_and_paged(
    api: Client, alice: Character, hook: Shown, receiver: Receiver
) -> None:
    rows = [completed(alice) for _ in range(3)]
    dispatcher.send_due()
    completed(alice)
    address = f"/api/v1/webhooks/{hook.endpoint.id}/deliveries"
    first = api.get(address, {"limit": 2}).json()
    second = api.get(first["next"]).json()
    assert len(first["results"] + second["results"]) == len(rows) + 1
    assert second["next"] is None
    assert len(api.get(address, {"status": "pending"}).json()["results"]) == 1
    for unknown in ("lost", "\x00"):
        answer = api.get(address, {"status": unknown})
        assert (answer.status_code, answer.json()["param"]) == (400, "status")


def test_a_rotated_secret_is_a_new_one(api: Client, receiver: Receiver) -> None:
    made = create(api, receiver.url)
    rotated = api.post(f"/api/v1/webhooks/{made['id']}/rotate").json()
    assert rotated["secret"] != made["secret"]
    assert rotated["old_secret_until"]


ROUTES = [
    ("GET", ""),
    ("PATCH", ""),
    ("DELETE", ""),
    ("POST", "/rotate"),
    ("POST", "/test"),
    ("GET", "/deliveries"),
    ("GET", "/deliveries/{delivery}"),
    ("POST", "/deliveries/{delivery}/replay"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_mallory_gets_the_answer_for_nothing(
    method: str, path: str, alice: Character, mallory: Character, hook: Shown, managing_keys: None
) -> None:
    delivery = delivery_of(alice, hook)
    theirs, nobody_s = (
        Client().generic(
            method,
            f"/api/v1/webhooks/{endpoint}{path}".format(delivery=delivery),
            data="{}",
            content_type=JSON,
            headers=mallory.bearer,
        )
        for endpoint in (hook.endpoint.id, UNKNOWN)
    )
    assert (theirs.status_code, theirs.json()) == (nobody_s.status_code, nobody_s.json())
    assert theirs.status_code == 404
    hook.endpoint.refresh_from_db()
    assert (hook.endpoint.deleted_at, hook.endpoint.old_until) == (None, None)


@pytest.mark.parametrize(("method", "path"), [("GET", None), ("POST", None), *ROUTES])
def test_a_key_that_may_not_manage_is_refused(
    method: str, path: str | None, alice: Character, bob: Character, hook: Shown
) -> None:
    rest = "" if path is None else f"/{hook.endpoint.id}{path}".format(delivery=UNKNOWN)
    answer = Client().generic(
        method,
        f"/api/v1/webhooks{rest}",
        data='{"url": "https://example.com"}',
        content_type=JSON,
        headers=bob.bearer,
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


def test_mallory_s_list_is_her_own(alice: Character, mallory: Character, hook: Shown, managing_keys: None) -> None:
    assert Client().get("/api/v1/webhooks", headers=mallory.bearer).json() == {"results": []}


def delivery_of(character: Character, hook: Shown) -> UUID:
    from tenants import scope
    from transcription.webhooks.models import Delivery

    completed(character)
    with scope.bound(character.tenant.id):
        return Delivery.objects.get(endpoint=hook.endpoint).id

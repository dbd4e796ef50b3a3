"""Programs set up folders and buckets, try them out, pause them, and see what goes there and comes from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tenants import scope
from tenants.models import AuditEntry
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.web.conftest import make_transcription, signed_in
from tests.transcription.exchange.conftest import root, s3, s3_address
from transcription.exchange import sender
from transcription.exchange.models import Delivery, Place
from transcription.inbox import polling

__all__ = ["root", "s3", "s3_address"]
pytestmark = pytest.mark.django_db
PLACES = "/api/v1/places"


@pytest.fixture
def key(alice: Character) -> dict[str, str]:
    return bearer(alice)


def make(client: Client, key: dict[str, str], **settings: Any) -> Any:
    answer = send(client, "POST", PLACES, key, {"name": "Archive", **settings})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_bucket_is_made_tried_and_changed_and_tells_no_secret(
    s3: Any, s3_address: str, key: dict[str, str], client: Client
) -> None:
    there = {"kind": "bucket", "endpoint": s3_address, "bucket": "acme", "key_id": "a", "secret": "hush-hush"}
    made = make(client, key, **there, watched=True)
    url = f"{PLACES}/{made['id']}"
    assert (made["has_secret"], made["watched"], made["region"]) == (True, True, "us-east-1")
    assert send(client, "POST", f"{url}/test", key).json() == {"works": True, "error": None}
    assert "Contents" not in s3.list_objects_v2(Bucket="acme")
    wrong = send(client, "PATCH", url, key, {"bucket": "nobodys"})
    assert (wrong.json()["bucket"], wrong.json()["has_secret"]) == ("nobodys", True)
    tried = send(client, "POST", f"{url}/test", key).json()
    assert (tried["works"], tried["error"]["code"]) == (False, "bucket")
    assert "NoSuchBucket" in tried["error"]["message"]
    elsewhere = send(client, "PATCH", url, key, {"endpoint": "https://evil.example"})
    assert (elsewhere.status_code, elsewhere.json()["param"]) == (400, "secret"), "another service gets no secret"
    answers = [client.get(PLACES, headers=key), client.get(url, headers=key), wrong]
    assert not [answer for answer in answers if b"hush-hush" in answer.content or b"sealed" in answer.content]
    assert send(client, "DELETE", url, key).status_code == 204
    assert client.get(PLACES, headers=key).json() == {"results": []}


def test_a_watched_bucket_works_only_where_files_can_be_moved(
    s3: Any, s3_address: str, key: dict[str, str], client: Client
) -> None:
    there = {"kind": "bucket", "endpoint": s3_address, "bucket": "acme", "key_id": "a", "secret": "b"}
    url = f"{PLACES}/{make(client, key, **there, watched=True)['id']}"
    for action, works in (("DeleteObject", False), ("GetObject", False), ("RestoreObject", True)):
        denied = {"Effect": "Deny", "Principal": "*", "Action": f"s3:{action}", "Resource": "arn:aws:s3:::acme/*"}
        s3.put_bucket_policy(Bucket="acme", Policy=json.dumps({"Version": "2012-10-17", "Statement": [denied]}))
        try:
            assert send(client, "POST", f"{url}/test", key).json()["works"] is works, action
        finally:
            s3.delete_bucket_policy(Bucket="acme")
    assert "Contents" not in s3.list_objects_v2(Bucket="acme"), "what a later test could remove"


def test_a_place_is_tested_on_its_page(root: Path, alice: Character, key: dict[str, str], client: Client) -> None:
    page = f"/rules/places/{make(client, key, kind='folder', path='radio')['id']}/"
    signed_in(client, alice)
    assert "It works." in client.post(f"{page}test/", follow=True).content.decode()
    root.rename(root.with_name("elsewhere"))
    assert "It doesn’t work: The server’s folder" in client.post(f"{page}test/", follow=True).content.decode()


def test_the_audit_log_says_what_became_of_a_place(
    root: Path, alice: Character, key: dict[str, str], client: Client
) -> None:
    url = f"{PLACES}/{make(client, key, kind='folder', path='🦊' * 100)['id']}"
    for method, path, body in (("PATCH", url, {"paused": True}), ("PATCH", url, {}), ("POST", f"{url}/test", None)):
        assert send(client, method, path, key, body).status_code == 200
    with scope.bound(alice.tenant.id):
        told = AuditEntry.objects.filter(action__startswith="place.").order_by("id")
        assert [one.action for one in told] == ["place.created", "place.changed", "place.tested"]
        assert (told[1].details["fields"], told[1].details["paused"]) == (["is_paused"], True)


def test_a_mailbox_is_made_and_changed_and_gets_no_exports(
    alice: Character, key: dict[str, str], client: Client
) -> None:
    there = {"kind": "mailbox", "endpoint": "IMAP://8.8.8.8", "key_id": "in@acme.example", "secret": "hush-hush"}
    asked = there | {"senders": "Carol@acme.example, @press.example", "authserv_id": "mx.acme.example"}
    wrong: tuple[tuple[str, Any], ...] = (
        ("endpoint", "https://8.8.8.8"),
        ("endpoint", "imaps://8.8.8.8:25"),
        ("endpoint", "imaps://127.0.0.1"),
        ("endpoint", "imaps://a@8.8.8.8"),
        ("key_id", ""),
        ("secret", ""),
        ("senders", ""),
        ("senders", "everybody"),
        ("authserv_id", ""),
        ("trust", "nobody"),
        ("path", "INBOX.Done"),
        ("folder", "Nowhere"),
    )
    for name, value in wrong:
        answer = send(client, "POST", PLACES, key, {"name": "Mail", **asked, name: value})
        assert (answer.status_code, answer.json()["param"]) == (400, name), value
    made = make(client, key, **asked, watched=False)
    assert (made["watched"], made["path"], made["endpoint"]) == (True, "INBOX", "imap://8.8.8.8")
    assert (made["senders"], made["trust"], made["has_secret"]) == (
        ["carol@acme.example", "press.example"],
        "dmarc",
        True,
    )
    url = f"{PLACES}/{made['id']}"
    trusting = send(client, "PATCH", url, key, {"trust": "server"})
    assert (trusting.json()["trust"], trusting.json()["authserv_id"], trusting.json()["has_secret"]) == (
        "server",
        "",
        True,
    )
    for changes, param in (({"kind": "bucket"}, "kind"), ({"key_id": "b@acme.example"}, "secret")):
        answer = send(client, "PATCH", url, key, changes)
        assert (answer.status_code, answer.json()["param"]) == (400, param)
    rule = {"name": "All", "effects": {"deliveries": [{"place": made["id"], "formats": ["txt"]}]}}
    assert send(client, "POST", "/api/v1/rules", key, rule).json()["param"] == "deliveries"
    signed_in(client, alice)
    page = client.get(f"/rules/places/{made['id']}/").content.decode()
    assert "carol@acme.example press.example" in page
    assert (
        "There is this folder, bucket or mailbox already."
        in client.post("/rules/places/", asked | {"name": "B"}).content.decode()
    )
    assert client.post("/rules/places/", asked | {"name": "B", "path": "Voice"}).status_code == 302
    assert "hush-hush" not in page
    with scope.bound(alice.tenant.id):
        entry = AuditEntry.objects.filter(action="place.changed").get()
        assert entry.details["fields"] == ["trust", "authserv_id"]


def test_a_paused_folder_takes_and_gives_nothing_until_it_goes_on(
    root: Path, alice: Character, key: dict[str, str], client: Client
) -> None:
    made = make(client, key, kind="folder", path="radio", watched=True, paused=True)
    url = f"{PLACES}/{made['id']}"
    assert send(client, "POST", f"{url}/test", key).json()["works"]
    folder = root / str(alice.tenant.id) / "radio"
    assert list((folder / "out").iterdir()) == []
    (folder / "in" / "news.mp3").write_bytes(b"fox")
    with scope.bound(alice.tenant.id):
        row = make_transcription(alice.tenant)
        place = Place.objects.get()
        Delivery.objects.create(tenant=alice.tenant, place=place, recording=row.recording, formats=["txt"])
    for paused, sent, arrived in ((True, 0, 0), (False, 1, 1)):
        assert send(client, "PATCH", url, key, {"paused": paused}).json()["paused"] is paused
        assert (sender.send_due(), polling.look_into_all()) == (sent, arrived)
    [delivery] = client.get(f"{url}/deliveries?status=delivered", headers=key).json()["results"]
    assert (delivery["recording"], delivery["formats"]) == (str(row.recording_id), ["txt"])
    [arrival] = client.get(f"{url}/arrivals", headers=key).json()["results"]
    assert (arrival["name"], arrival["bytes"], arrival["status"]) == ("news.mp3", 3, "waiting")
    again = send(client, "POST", f"{url}/deliveries/{delivery['id']}/again", key)
    assert (again.status_code, again.json()["status"]) == (202, "pending")

"""A request for a recording by URL is answered at once, and the recording is fetched later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from portal.http.receiving import SCOPE_KEY, ReceivingMiddleware
from portal.http.routes import Body
from portal.http.uploads import IncomingForm
from tenants import scope
from tenants.models import ApiKey, Quota, Reservation
from tests.conftest import Character
from tests.receiver import Receiver
from tests.transcription.characters import submit
from tests.transcription.fetches.calls import JSON, UNKNOWN, now, order
from transcription.fetches import claims, fetcher
from transcription.fetches.models import Fetch
from transcription.media import storage
from transcription.models import Recording, Transcription

pytestmark = pytest.mark.django_db


def test_a_url_becomes_a_recording_with_its_options(api: Client, alice: Character, server: Receiver, fox: Path) -> None:
    made = order(api, f"{server.url}/talks/the%20fox.wav?token=secret#x", language="en", hotwords="fox")
    assert (made["status"], made["recording"], server.connections) == ("queued", None, 0)
    assert fetcher.fetch_due() == 1
    done = now(api, made)
    assert (done["status"], done["error"], done["bytes_received"]) == ("done", None, fox.stat().st_size)
    recording = api.get(f"/api/v1/recordings/{done['recording']}").json()
    assert (recording["name"], recording["source"]) == ("the fox.wav", "api")
    assert recording["transcription"]["id"] == done["transcription"] == made["id"]
    assert (recording["transcription"]["language"], recording["transcription"]["hotwords"]) == ("en", "fox")
    with scope.bound(alice.tenant.id):
        row = Recording.objects.get()
        assert row.api_key == ApiKey.objects.get()
        assert Reservation.objects.get().seconds > 0
        assert storage.local_path(row.storage_key).read_bytes() == fox.read_bytes()


def test_a_name_of_one_s_own_is_kept(api: Client, server: Receiver) -> None:
    made = order(api, server.url, name="../Board\tmeeting.wav")
    fetcher.fetch_due()
    assert api.get(f"/api/v1/recordings/{now(api, made)['recording']}").json()["name"] == "Boardmeeting.wav"


def test_an_audio_track_that_the_file_has_not_ends_it_with_how_many_there_are(api: Client, server: Receiver) -> None:
    made = order(api, server.url, audio_track=2)
    fetcher.fetch_due()
    failed = now(api, made)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "no_such_track")
    assert "1 audio track" in failed["error"]["message"]
    again = order(api, server.url, audio_track=1)
    fetcher.fetch_due()
    recording = api.get(f"/api/v1/recordings/{now(api, again)['recording']}").json()
    assert recording["transcription"]["audio_track"] == 1


def test_the_secret_part_of_a_url_is_shown_to_nobody_and_kept_no_longer_than_needed(
    api: Client, alice: Character, server: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    made = order(api, f"{server.url}/a.wav?signature=hunter2")
    assert "hunter2" not in str(made)
    fetcher.fetch_due()
    with scope.bound(alice.tenant.id):
        assert Fetch.objects.get().url == f"{server.url}/a.wav"
    assert server.requests[0].path == "/a.wav?signature=hunter2"
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/a.wav",
        "http://[::ffff:10.0.0.1]/",
        "ftp://example.com/",
        "http://u:p@example.com/",
        "http://\ud800/",
        "",
    ],
)
def test_a_hostile_url_is_refused_at_once(url: str, api: Client, alice: Character) -> None:
    answer = api.post("/api/v1/recordings", {"url": url}, JSON)
    assert (answer.status_code, answer.json()["param"]) == (400, "url")
    with scope.bound(alice.tenant.id):
        assert not Fetch.objects.exists()


@pytest.mark.parametrize("url", ["http://localhost:{port}/", "http://127.0.0.1.nip.example:{port}/"])
def test_a_name_that_leads_inside_is_never_connected(
    url: str, api: Client, server: Receiver, settings: LazySettings
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    made = order(api, url.format(port=server.port))
    fetcher.fetch_due()
    assert now(api, made)["error"]["code"] == "no_public_address"
    assert server.connections == 0


def test_a_full_quota_is_said_at_once_and_one_that_fills_up_meanwhile_later(
    api: Client, alice: Character, server: Receiver
) -> None:
    made = order(api, server.url)
    Quota.objects.filter(tenant=alice.tenant).update(monthly_seconds=0)
    answer = api.post("/api/v1/recordings", {"url": server.url}, JSON)
    assert (answer.status_code, answer.json()["code"]) == (402, "quota_monthly_seconds")
    fetcher.fetch_due()
    assert now(api, made)["error"]["code"] == "quota_monthly_seconds"


def test_the_same_key_orders_once(api: Client, alice: Character, server: Receiver, fox: Path) -> None:
    made = order(api, server.url, key="one")
    answer = api.post("/api/v1/recordings", {"url": server.url}, JSON, headers={"Idempotency-Key": "one"})
    assert (answer.status_code, answer.json()["id"]) == (202, made["id"])
    assert answer.headers["Idempotency-Replayed"] == "true"
    for other in ({"url": f"{server.url}/other"}, {"url": server.url, "language": "de"}):
        answer = api.post("/api/v1/recordings", other, JSON, headers={"Idempotency-Key": "one"})
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    fetcher.fetch_due()
    assert order(api, server.url, key="one")["status"] == "done"
    with scope.bound(alice.tenant.id):
        assert Transcription.objects.count() == Fetch.objects.count() == 1


def test_a_key_of_an_upload_orders_nothing(api: Client, alice: Character, server: Receiver, fox: Path) -> None:
    from tests.transcription.intake.test_idempotency import ask

    with scope.bound(alice.tenant.id):
        ask(alice, fox, key="one")
    answer = api.post("/api/v1/recordings", {"url": server.url}, JSON, headers={"Idempotency-Key": "one"})
    assert answer.status_code == 422


def test_it_can_be_cancelled_until_it_is_here(api: Client, alice: Character, server: Receiver) -> None:
    made = order(api, f"{server.url}/?token=x")
    assert api.post(f"/api/v1/fetches/{made['id']}/cancel").json()["status"] == "cancelled"
    assert fetcher.fetch_due() == 0
    answer = api.post(f"/api/v1/fetches/{made['id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_over")


def test_cancelling_stops_a_download_under_way(
    api: Client, alice: Character, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "RENEW_EVERY_SECONDS", 0.0)
    made = order(api, server.url)
    renew = claims.renew

    def cancel_then_renew(*arguments: Any) -> None:
        api.post(f"/api/v1/fetches/{made['id']}/cancel")
        renew(*arguments)

    monkeypatch.setattr(claims, "renew", cancel_then_renew)
    fetcher.fetch_due()
    assert now(api, made)["status"] == "cancelled"
    with scope.bound(alice.tenant.id):
        assert not Recording.objects.exists()


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/fetches/{id}"), ("POST", "/fetches/{id}/cancel"), ("GET", "/fetches")]
)
def test_mallory_sees_nothing_and_stops_nothing(
    method: str, path: str, api: Client, mallory: Character, server: Receiver
) -> None:
    made = order(api, server.url)
    answer, nothing = (
        Client().generic(method, f"/api/v1{path.format(id=one)}", headers=mallory.bearer)
        for one in (made["id"], UNKNOWN)
    )
    assert (answer.status_code, answer.json()) == (nothing.status_code, nothing.json())
    assert made["id"] not in answer.content.decode()
    assert now(api, made)["status"] == "queued"


def test_fetches_are_listed_newest_first(api: Client, server: Receiver) -> None:
    made = [order(api, f"{server.url}/{number}")["id"] for number in range(3)]
    first = api.get("/api/v1/fetches", {"limit": 2}).json()
    listed = first["results"] + api.get(first["next"]).json()["results"]
    assert [row["id"] for row in listed] == made[::-1]
    assert api.get("/api/v1/fetches", {"status": "done"}).json()["results"] == []
    for unknown in ("lost", "\x00"):
        answer = api.get("/api/v1/fetches", {"status": unknown})
        assert (answer.status_code, answer.json()["param"]) == (400, "status")


def test_people_see_what_is_being_fetched_and_why_it_failed(
    api: Client, alice: Character, mallory: Character, server: Receiver
) -> None:
    page, theirs = Client(), Client()
    page.force_login(alice.user)
    theirs.force_login(mallory.user)
    server.body = b"no song at all" * 100
    order(api, f"{server.url}/talk.mp3?token=hunter2", name="Talk of May")
    for reason in ("Waiting", "damaged or not audio"):
        text = page.get("/recordings/").content.decode()
        assert "Talk of May" in text
        assert reason in text
        assert "hunter2" not in text
        assert "Talk of May" not in theirs.get("/recordings/").content.decode()
        fetcher.fetch_due()


@pytest.mark.parametrize("content_type", [b"application/json", b"application/json; charset=utf-8"])
async def test_json_passes_by_where_uploads_are_received(content_type: bytes) -> None:
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append((SCOPE_KEY in scope, (await receive())["body"]))

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"url": ""}', "more_body": False}

    async def send(_message: Any) -> None:
        pass

    headers = [(b"content-type", content_type)]
    asked = {"type": "http", "method": "POST", "path": "/api/v1/recordings", "headers": headers}
    await ReceivingMiddleware(application, {Body.FILE: IncomingForm})(asked, receive, send)
    assert seen == [(False, b'{"url": ""}')]


def test_an_upload_beside_it_is_as_before(alice: Character, fox: Path) -> None:
    with scope.bound(alice.tenant.id):
        assert submit(alice.actor, fox).status == "queued"

"""A recording by its URL: promised at once, fetched later, never lost, and never from where it must not come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import LazySettings, settings
from django.db import connection, connections
from django.test import Client

from portal.http.uploads import SCOPE_KEY, UploadMiddleware
from tenants import scope
from tenants.models import ApiKey, LedgerEntry, Quota, Reservation, Tenant
from tests.conftest import Character, FakeFfmpeg
from tests.receiver import Receiver
from tests.transcription.characters import submit
from transcription.fetches import claims, fetcher
from transcription.fetches.models import Fetch
from transcription.intake import accept
from transcription.leases import LostClaim
from transcription.library import recordings
from transcription.media import storage
from transcription.models import Recording, Transcription
from transcription.webhooks import dispatcher, endpoints

pytestmark = pytest.mark.django_db
JSON = "application/json"
UNKNOWN = UUID("00000000-0000-4000-8000-000000000000")


def order(api: Client, url: str, key: str = "", **more: Any) -> dict[str, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    answer = api.post("/api/v1/recordings", {"url": url, **more}, JSON, headers=headers)
    assert answer.status_code == 202, answer.content
    assert answer.headers["Location"] == f"/api/v1/fetches/{answer.json()['id']}"
    return dict(answer.json())


def killed(work: Callable[..., Any], before: bool) -> Callable[..., Any]:
    """`work` in a process that ends just before or after it."""

    def work_once(*arguments: Any) -> None:
        if not before:
            work(*arguments)
        raise SystemExit

    return work_once


def now(api: Client, made: dict[str, Any]) -> dict[str, Any]:
    return dict(api.get(f"/api/v1/fetches/{made['id']}").json())


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


def test_a_server_that_stumbles_is_asked_again_and_what_was_said_is_shown(
    api: Client, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    server.status = 503
    made = order(api, server.url)
    fetcher.fetch_due()
    waiting = now(api, made)
    assert (waiting["status"], waiting["attempts"], waiting["error"]["code"]) == ("queued", 1, "status")
    assert fetcher.fetch_due() == 0
    server.status = 200
    time_passes(timedelta(seconds=15))
    fetcher.fetch_due()
    assert (now(api, made)["status"], now(api, made)["error"]) == ("done", None)


def test_it_is_given_up_after_five_attempts_and_told(
    api: Client, alice: Character, server: Receiver, time_passes: Callable[[timedelta], None], settings: LazySettings
) -> None:
    settings.OUTBOUND_PLAIN_HTTP = ["downloads", "webhooks"]
    with scope.bound(alice.tenant.id):
        endpoints.create(alice.actor, f"{server.url}/hook", events=["fetch.failed"])
    server.status = 500
    made = order(api, server.url)
    for _attempt in range(claims.MOST_ATTEMPTS):
        assert fetcher.fetch_due() == 1
        time_passes(timedelta(minutes=30))
    assert fetcher.fetch_due() == 0
    assert (now(api, made)["status"], now(api, made)["error"]["code"]) == ("failed", "status")
    dispatcher.send_due()
    assert made["id"].encode() in server.requests[-1].body


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": 404}, "status"),
        ({"body": b"no song at all" * 100}, "not_media"),
        ({"body": b""}, "empty_file"),
        ({"body": bytes(200_000)}, "too_large"),
        ({"status": 302, "headers": {"Location": "http://192.168.1.1/"}}, "refused_address"),
        ({"status": 302, "headers": {"Location": "/again"}}, "too_many_redirects"),
    ],
)
def test_what_can_t_succeed_fails_at_once_with_the_reason_and_costs_nothing(
    change: dict[str, Any], code: str, api: Client, alice: Character, server: Receiver
) -> None:
    Quota.objects.filter(tenant=alice.tenant).update(upload_bytes=150_000)
    for name, value in change.items():
        setattr(server, name, value)
    made = order(api, server.url)
    fetcher.fetch_due()
    failed = now(api, made)
    assert (failed["status"], failed["error"]["code"]) == ("failed", code)
    assert failed["error"]["message"]
    with scope.bound(alice.tenant.id):
        assert not Recording.objects.exists()
        assert not LedgerEntry.objects.exists()
    assert list(settings.INCOMING_DIR.glob("scratch-*")) == []


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
    from tests.transcription.test_idempotency import ask

    with scope.bound(alice.tenant.id):
        ask(alice, fox, key="one")
    answer = api.post("/api/v1/recordings", {"url": server.url}, JSON, headers={"Idempotency-Key": "one"})
    assert answer.status_code == 422


def test_what_a_killed_process_had_accepted_is_not_accepted_twice(
    api: Client, alice: Character, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accept, "accept", killed(accept.accept, before=False))
        with pytest.raises(SystemExit):
            fetcher.fetch_due()
    time_passes(timedelta(minutes=16))
    assert fetcher.fetch_due() == 0
    assert now(api, made)["status"] == "done"
    with scope.bound(alice.tenant.id):
        assert Recording.objects.count() == Reservation.objects.count() == 1


def test_what_a_killed_process_had_not_accepted_is_fetched_again(
    api: Client, alice: Character, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "complete", killed(claims.complete, before=True))
        with pytest.raises(SystemExit):
            fetcher.fetch_due()
    assert now(api, made)["status"] == "accepting"
    assert fetcher.fetch_due() == 0
    time_passes(timedelta(minutes=16))
    assert fetcher.fetch_due() == 1
    assert now(api, made)["status"] == "done"
    with scope.bound(alice.tenant.id):
        assert Recording.objects.count() == Reservation.objects.count() == 1


def test_what_a_killed_process_was_fetching_is_fetched_after_its_lease(
    api: Client, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    dead = claims.claim()
    assert dead is not None
    assert fetcher.fetch_due() == 0
    time_passes(timedelta(seconds=61))
    assert fetcher.fetch_due() == 1
    assert now(api, made)["attempts"] == 2
    with scope.bound(dead.tenant_id), pytest.raises(LostClaim):
        claims.renew(dead, 5)


def test_one_that_kills_its_process_each_time_fails_in_the_end(
    api: Client, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    for _attempt in range(claims.MOST_ATTEMPTS):
        assert claims.claim() is not None
        time_passes(timedelta(seconds=61))
    assert claims.claim() is None
    assert (now(api, made)["status"], now(api, made)["error"]["code"]) == ("failed", "lost_worker")


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


def test_a_process_that_stops_hands_it_back_and_burns_no_attempt(api: Client, server: Receiver) -> None:
    made, stop = order(api, server.url), threading.Event()
    stop.set()
    claim = claims.claim()
    assert claim is not None
    fetcher.fetch(claim, stop)
    assert (now(api, made)["status"], now(api, made)["attempts"]) == ("queued", 0)
    assert fetcher.fetch_due() == 1
    assert now(api, made)["status"] == "done"


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


@pytest.mark.parametrize("way", ["at once", "after the undo window"])
def test_of_an_erased_recording_neither_name_nor_url_is_left(
    way: str, api: Client, alice: Character, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made, other = (order(api, f"{server.url}/{name}.wav", name=name) for name in ("Divorce", "Wedding"))
    assert fetcher.fetch_due() == 2
    recording_id = now(api, made)["recording"]
    if way == "at once":
        with scope.bound(alice.tenant.id):
            recordings.erase(alice.actor, recording_id)
    else:
        with scope.bound(alice.tenant.id):
            recordings.delete(alice.actor, recording_id)
        assert now(api, made)["status"] == "done", "it may still be undone"
        time_passes(timedelta(minutes=30))
        recordings.purge_deleted()
    assert api.get(f"/api/v1/fetches/{made['id']}").status_code == 404
    with scope.bound(alice.tenant.id):
        assert [str(row.id) for row in Fetch.objects.all()] == [other["id"]]


def test_a_switched_off_tenant_s_downloads_wait_a_month_and_go(
    api: Client, alice: Character, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    order(api, f"{server.url}/?token=x")
    Tenant.objects.update(is_active=False)
    time_passes(timedelta(days=29))
    assert (fetcher.fetch_due(), claims.forget_stranded()) == (0, 0)
    time_passes(timedelta(days=2))
    assert claims.forget_stranded() == 1
    with scope.bound(alice.tenant.id):
        assert not Fetch.objects.exists()
        assert not Reservation.objects.exists()
    assert server.connections == 0


@pytest.mark.parametrize("keeps_audio", [0, 1, 400, None])
def test_a_short_pause_loses_no_download_however_short_audio_is_kept(
    keeps_audio: int | None, api: Client, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    Tenant.objects.update(is_active=False, audio_retention_days=keeps_audio)
    time_passes(timedelta(days=29))
    assert claims.forget_stranded() == 0
    Tenant.objects.update(is_active=True)
    assert fetcher.fetch_due() == 1
    assert now(api, made)["status"] == "done"


def test_a_tenant_that_is_switched_on_while_others_are_swept_loses_no_download(
    api: Client, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    Tenant.objects.update(is_active=False)
    time_passes(timedelta(days=40))

    def switched_on_first(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith("DELETE"):
            Tenant.objects.update(is_active=True)
        return execute(sql, *rest)

    with connection.execute_wrapper(switched_on_first):
        assert claims.forget_stranded() == 0
    assert Tenant.objects.filter(is_active=True).exists()
    assert fetcher.fetch_due() == 1
    assert now(api, made)["status"] == "done"


def test_a_tenant_that_is_switched_on_again_loses_no_download(
    api: Client, alice: Character, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    Tenant.objects.update(is_active=False)
    time_passes(timedelta(days=40))
    Tenant.objects.update(is_active=True)
    assert claims.forget_stranded() == 0
    assert fetcher.fetch_due() == 1
    assert now(api, made)["status"] == "done"


def test_a_decoder_that_somebody_killed_is_no_fault_of_the_file(
    api: Client, server: Receiver, fake_ffmpeg: FakeFfmpeg, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    with fake_ffmpeg("kill -KILL $$"):
        assert fetcher.fetch_due() == 1
    assert (now(api, made)["status"], now(api, made)["error"]["code"]) == ("queued", "interrupted")
    time_passes(timedelta(minutes=1))
    assert fetcher.fetch_due() == 1
    assert now(api, made)["status"] == "done"


def test_old_ones_and_old_keys_are_forgotten(
    api: Client, alice: Character, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    order(api, server.url, key="one")
    fetcher.fetch_due()
    time_passes(timedelta(hours=25))
    claims.forget_old()
    with scope.bound(alice.tenant.id):
        assert Fetch.objects.get().idempotency_key == ""
        time_passes(timedelta(days=31))
        claims.forget_old()
        assert not Fetch.objects.exists()


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
    await UploadMiddleware(application)(asked, receive, send)
    assert seen == [(False, b'{"url": ""}')]


@pytest.mark.django_db(transaction=True)
def test_one_tenant_s_slow_server_leaves_room_for_the_others(
    alice: Character, mallory: Character, server: Receiver, fox: Path
) -> None:
    over, body = threading.Event(), server.body

    def reply(handler: Any) -> None:
        if handler.path == "/slow":
            over.wait(15)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    server.reply = reply
    theirs, ours = (Client(headers=one.bearer) for one in (mallory, alice))
    for _order in range(12):
        order(theirs, f"{server.url}/slow")
    made, stop = order(ours, f"{server.url}/fox.wav"), threading.Event()
    loop = threading.Thread(target=fetcher.run, args=(stop,))
    loop.start()
    try:
        deadline = time.monotonic() + 12
        while now(ours, made)["status"] != "done":
            assert time.monotonic() < deadline, now(ours, made)
            time.sleep(0.05)
        assert sum(one.path == "/slow" for one in server.requests) <= fetcher.FOR_TENANT
    finally:
        stop.set()
        over.set()
        loop.join(30)
        connections.close_all()
    assert not loop.is_alive()


def test_an_upload_beside_it_is_as_before(alice: Character, fox: Path) -> None:
    with scope.bound(alice.tenant.id):
        assert submit(alice.actor, fox).status == "queued"

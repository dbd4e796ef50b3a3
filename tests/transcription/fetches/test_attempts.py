"""A fetch is tried again after a failure, a stop or a crash, and creates one recording."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
from django.conf import LazySettings, settings
from django.test import Client

from tenants import scope
from tenants.models import LedgerEntry, Quota, Reservation
from tests.conftest import Character, FakeFfmpeg
from tests.receiver import Receiver
from tests.rounds import running
from tests.transcription.fetches.calls import now, order
from tests.waiting import until
from transcription.fetches import claims, fetcher
from transcription.intake import accept
from transcription.leases import LostClaim
from transcription.models import Recording
from transcription.webhooks import dispatcher, endpoints

pytestmark = pytest.mark.django_db


def fetch_until_killed(module: ModuleType, step: str, when: Literal["before", "after"]) -> None:
    """Fetches what is due in a process that ends just before or after a step."""
    work = getattr(module, step)

    def end(*arguments: Any) -> None:
        if when == "after":
            work(*arguments)
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, step, end)
        with pytest.raises(SystemExit):
            fetcher.fetch_due()


def outcome(api: Client, made: dict[str, Any]) -> tuple[str, str | None]:
    """Returns the fetch's status, and the code of its error."""
    shown = now(api, made)
    return shown["status"], shown["error"] and shown["error"]["code"]


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
    assert outcome(api, made) == ("done", None)


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
    assert outcome(api, made) == ("failed", "status")
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


def test_what_a_killed_process_had_accepted_is_not_accepted_twice(
    api: Client, alice: Character, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    fetch_until_killed(accept, "accept", "after")
    time_passes(timedelta(minutes=16))
    assert fetcher.fetch_due() == 0
    assert now(api, made)["status"] == "done"
    with scope.bound(alice.tenant.id):
        assert Recording.objects.count() == Reservation.objects.count() == 1


def test_what_a_killed_process_had_not_accepted_is_fetched_again(
    api: Client, alice: Character, server: Receiver, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    fetch_until_killed(claims, "complete", "before")
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
    assert outcome(api, made) == ("failed", "lost_worker")


def test_a_process_that_stops_hands_it_back_and_burns_no_attempt(api: Client, server: Receiver) -> None:
    made, stop = order(api, server.url), threading.Event()
    stop.set()
    claim = claims.claim()
    assert claim is not None
    fetcher.fetch(claim, stop)
    assert (now(api, made)["status"], now(api, made)["attempts"]) == ("queued", 0)
    assert fetcher.fetch_due() == 1
    assert now(api, made)["status"] == "done"


def test_a_decoder_that_somebody_killed_is_no_fault_of_the_file(
    api: Client, server: Receiver, fake_ffmpeg: FakeFfmpeg, time_passes: Callable[[timedelta], None]
) -> None:
    made = order(api, server.url)
    with fake_ffmpeg("kill -KILL $$"):
        assert fetcher.fetch_due() == 1
    assert outcome(api, made) == ("queued", "interrupted")
    time_passes(timedelta(minutes=1))
    assert fetcher.fetch_due() == 1
    assert now(api, made)["status"] == "done"


@pytest.mark.django_db(transaction=True)
def test_one_tenant_s_slow_server_leaves_room_for_the_others(
    alice: Character, mallory: Character, server: Receiver, fox: Path
) -> None:
    over, body = threading.Event(), server.body

    def reply(handler: Any) -> None:
        if handler.path == "/slow":
            over.wait(120)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    server.reply = reply
    theirs, ours = (Client(headers=one.bearer) for one in (mallory, alice))
    for _order in range(12):
        order(theirs, f"{server.url}/slow")
    made = order(ours, f"{server.url}/fox.wav")
    with running("downloads by URL"):
        try:
            until(lambda: now(ours, made)["status"] == "done")
            assert sum(one.path == "/slow" for one in server.requests) <= fetcher.FOR_TENANT
        finally:
            over.set()

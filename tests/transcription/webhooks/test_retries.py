"""Receivers that fail, and what becomes of what they were to be told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connections
from django.utils import timezone
from standardwebhooks import Webhook

from tenants import scope
from tests.conftest import Character
from tests.receiver import Receiver
from tests.rounds import running
from tests.transcription.webhooks.conftest import completed, subscribe
from tests.waiting import until
from transcription.lookout import look
from transcription.outbound import requests
from transcription.webhooks import deliveries, dispatcher, endpoints
from transcription.webhooks.endpoints import Shown
from transcription.webhooks.models import Attempt, Delivery, Endpoint, Event

pytestmark = pytest.mark.django_db
Pass = Callable[[timedelta], None]


def the_delivery(character: Character) -> Delivery:
    with scope.bound(character.tenant.id):
        return Delivery.objects.select_related("endpoint").get()


def until_next_attempt(character: Character) -> timedelta:
    row = the_delivery(character)
    return max(row.next_attempt_at, row.endpoint.not_before) - timezone.now() + timedelta(seconds=1)


def test_a_failed_delivery_is_tried_again_under_the_same_id_with_a_new_timestamp(
    alice: Character, hook: Shown, receiver: Receiver, time_passes: Pass
) -> None:
    receiver.status = 500
    completed(alice)
    dispatcher.send_due()
    assert dispatcher.send_due() == 0, "not at once"
    time_passes(timedelta(seconds=7))
    receiver.status = 202
    assert dispatcher.send_due() == 1
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert first.body == second.body
    assert Webhook(hook.secret).verify(second.body, second.headers)
    row = the_delivery(alice)
    assert (row.state, row.attempts_made, row.last_status) == (Delivery.State.DELIVERED, 2, 202)
    with scope.bound(alice.tenant.id):
        log = [(one.status, one.error, one.response) for one in Attempt.objects.all()]
        assert log == [(500, "status", "thanks"), (202, "", "thanks")]
        assert Endpoint.objects.get().failing_since is None


def test_after_three_days_of_failures_the_webhook_is_paused_with_the_reason_and_nothing_is_lost(
    alice: Character, hook: Shown, receiver: Receiver, time_passes: Pass
) -> None:
    receiver.status = 503
    completed(alice)
    begin = timezone.now()
    for delay in (*deliveries.BACKOFF.delays, 0):
        assert dispatcher.send_due() == 1
        if the_delivery(alice).endpoint.is_paused:
            break
        waits = until_next_attempt(alice).total_seconds()
        assert 0.79 * delay < waits < 1.21 * delay + 3
        time_passes(timedelta(seconds=waits))
    endpoint = the_delivery(alice).endpoint
    assert endpoint.pause == Endpoint.Pause.FAILING
    assert "three days" in endpoints.why_paused(endpoint)
    assert timedelta(days=2.5) < timezone.now() - begin < timedelta(days=4)
    time_passes(until_next_attempt(alice))
    assert look({deliveries.DUE}) == set()
    receiver.status = 200
    with scope.bound(alice.tenant.id):
        endpoints.resume(alice.actor, hook.endpoint.id)
    assert look({deliveries.DUE}) == {deliveries.DUE}
    assert dispatcher.send_due() == 1
    assert the_delivery(alice).state == Delivery.State.DELIVERED


@pytest.mark.usefixtures("hook")
def test_one_event_that_is_never_taken_is_failed_in_the_end(
    alice: Character, receiver: Receiver, time_passes: Pass
) -> None:
    """The receiver takes others meanwhile, so it is not paused."""

    def reply(handler: Any) -> None:
        poisoned = handler.headers["webhook-id"] == poison
        handler.send_response(422 if poisoned else 200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    receiver.reply = reply
    completed(alice)
    with scope.bound(alice.tenant.id):
        event = Event.objects.get()
        row = Delivery.objects.get()
    poison = event.message_id
    for _attempt in range(11):
        dispatcher.send_due()
        completed(alice)
        time_passes(timedelta(minutes=6))
        dispatcher.send_due()
        time_passes(timedelta(hours=30))
    row.refresh_from_db()
    assert (row.state, row.attempts_made, row.last_status) == (Delivery.State.FAILED, 11, 422)
    with scope.bound(alice.tenant.id):
        assert not Endpoint.objects.get().is_paused
        assert Delivery.objects.filter(state=Delivery.State.DELIVERED).count() == 11


def test_410_pauses_at_once_and_resuming_sends_what_was_kept(alice: Character, hook: Shown, receiver: Receiver) -> None:
    receiver.status = 410
    completed(alice)
    dispatcher.send_due()
    assert the_delivery(alice).endpoint.pause == Endpoint.Pause.GONE
    completed(alice)
    assert dispatcher.send_due() == 0
    receiver.status = 200
    with scope.bound(alice.tenant.id):
        row = endpoints.resume(alice.actor, hook.endpoint.id)
    assert (row.is_paused, endpoints.why_paused(row)) == (False, "")
    assert dispatcher.send_due() == 2


def test_a_redirect_is_a_failure(alice: Character, hook: Shown, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 301, {"Location": f"{receiver.url}/elsewhere"}
    completed(alice)
    dispatcher.send_due()
    assert the_delivery(alice).last_error == "redirect"
    assert len(receiver.requests) == 1


def test_the_receiver_s_wish_to_wait_is_heard(alice: Character, hook: Shown, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 429, {"Retry-After": "1800"}
    completed(alice)
    dispatcher.send_due()
    assert timedelta(minutes=29) < until_next_attempt(alice) < timedelta(minutes=31)


def test_a_name_that_turns_private_after_it_was_entered_is_not_connected(
    alice: Character, receiver: Receiver, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = "93.184.215.14"
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: [(socket.AF_INET, 1, 6, "", (answer, 0))])
    subscribe(alice, f"http://rebound.example:{receiver.port}/")
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    answer = "127.0.0.1"
    completed(alice)
    dispatcher.send_due()
    assert the_delivery(alice).last_error == "no_public_address"
    assert receiver.connections == 0


def test_a_dead_receiver_is_asked_with_one_event_and_not_with_all(
    alice: Character, hook: Shown, receiver: Receiver, time_passes: Pass
) -> None:
    receiver.status = 500
    for _event in range(10):
        completed(alice)
    assert dispatcher.send_due() == dispatcher.FOR_ENDPOINT
    time_passes(timedelta(seconds=10))
    assert dispatcher.send_due() == 1
    receiver.status = 200
    time_passes(timedelta(minutes=6))
    while dispatcher.send_due():
        pass
    with scope.bound(alice.tenant.id):
        assert Delivery.objects.filter(state=Delivery.State.DELIVERED).count() == 10


def test_a_replay_sends_the_same_message_again(alice: Character, hook: Shown, receiver: Receiver) -> None:
    completed(alice)
    dispatcher.send_due()
    with scope.bound(alice.tenant.id):
        deliveries.replay(alice.actor, hook.endpoint.id, the_delivery(alice).id)
    assert dispatcher.send_due() == 1
    first, second = receiver.requests
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    with scope.bound(alice.tenant.id):
        assert Attempt.objects.count() == 2


def test_what_a_killed_dispatcher_had_claimed_is_sent_after_its_lease(
    alice: Character, hook: Shown, receiver: Receiver, time_passes: Pass
) -> None:
    completed(alice)
    (head,) = deliveries.due_endpoints()
    (claim,) = deliveries.claim(head, 5)
    assert dispatcher.send_due() == 0
    time_passes(timedelta(seconds=61))
    assert dispatcher.send_due() == 1
    assert dispatcher.send(claim) is False, "the one that was dead writes and sends nothing when it wakes up"
    assert len(receiver.requests) == 1


def test_a_deleted_webhook_is_told_nothing_more(alice: Character, hook: Shown, receiver: Receiver) -> None:
    completed(alice)
    with scope.bound(alice.tenant.id):
        endpoints.delete(alice.actor, hook.endpoint.id)
    completed(alice)
    assert dispatcher.send_due() == 0
    assert receiver.connections == 0


def test_old_events_and_deleted_webhooks_are_forgotten(
    alice: Character, hook: Shown, receiver: Receiver, time_passes: Pass
) -> None:
    completed(alice)
    dispatcher.send_due()
    assert deliveries.forget_old() == 0
    time_passes(timedelta(days=29))
    completed(alice)
    time_passes(timedelta(days=2))
    deliveries.forget_old()
    with scope.bound(alice.tenant.id):
        assert Event.objects.count() == Delivery.objects.count() == 1
        assert Attempt.objects.count() == 0
        endpoints.delete(alice.actor, hook.endpoint.id)
        time_passes(timedelta(hours=2))
        deliveries.forget_old()
        assert not Endpoint.objects.exists()
        assert not Delivery.objects.exists()


def in_thread(work: Callable[[], Any]) -> Any:
    try:
        return work()
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_several_dispatchers_send_each_delivery_once(alice: Character, receiver: Receiver) -> None:
    for number in range(4):
        subscribe(alice, f"{receiver.url}/{number}")
    for _event in range(4):
        completed(alice)
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(in_thread, [dispatcher.send_due] * 4))
    while dispatcher.send_due():
        pass
    sent = [(one.path, one.headers["webhook-id"]) for one in receiver.requests]
    assert len(sent) == len(set(sent)) == 16
    assert sum(counts) <= 16


@pytest.mark.django_db(transaction=True)
def test_one_tenant_s_slow_receivers_don_t_delay_another_s(
    alice: Character, mallory: Character, listen: Callable[[], Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow ones answer no earlier than Alice's was told."""
    monkeypatch.setattr(requests, "POST_SECONDS", 120.0)
    monkeypatch.setattr(requests, "IDLE_SECONDS", 120.0)
    slow, quick, over = listen(), listen(), threading.Event()
    slow.reply = lambda _handler: over.wait(120)
    for number in range(12):
        subscribe(mallory, f"{slow.url}/{number}")
    for _event in range(3):
        completed(mallory)
    subscribe(alice, quick.url)
    with running("webhooks sent"):
        try:
            until(lambda: slow.connections > 0)
            completed(alice)
            until(lambda: len(quick.requests) == 1)
            assert slow.connections <= dispatcher.FOR_TENANT
            with scope.bound(mallory.tenant.id):
                assert not Attempt.objects.exists()
        finally:
            over.set()

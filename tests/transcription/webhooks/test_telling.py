"""What is told: by Standard Webhooks, in the transaction that makes it so, and never a word of a transcript."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from tenants import notices, quota, scope
from tenants.models import Notice, Quota
from tests.conftest import Character
from tests.receiver import Receiver
from tests.transcription.finishing import serve
from tests.transcription.webhooks.conftest import completed, queued, subscribe
from transcription.errors import Failure
from transcription.queue import claims, lifecycle
from transcription.webhooks import dispatcher, endpoints, events, outbox, signing
from transcription.webhooks.endpoints import Shown
from transcription.webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db


def received(receiver: Receiver, secret: str) -> list[dict[str, Any]]:
    """Everything that came, verified by the specification's own library."""
    return [Webhook(secret).verify(sent.body, sent.headers) for sent in receiver.requests]


def test_the_end_of_a_transcription_is_told_and_verifies(alice: Character, hook: Shown, receiver: Receiver) -> None:
    row = completed(alice)
    assert dispatcher.send_due() == 1
    (message,) = received(receiver, hook.secret)
    assert message["type"] == "transcription.completed"
    assert message["data"]["transcription"] == str(row.id)
    assert message["data"]["recording"] == str(row.recording_id)
    assert message["data"]["links"]["transcript"].endswith(f"/api/v1/transcriptions/{row.id}/transcript.json")
    assert datetime.fromisoformat(message["timestamp"]).tzinfo is not None
    sent = receiver.requests[0]
    assert (sent.method, sent.path) == ("POST", "/hook")
    assert sent.headers["content-type"] == "application/json"
    assert b"secret words" not in sent.body
    assert b"Board meeting" not in sent.body
    assert dispatcher.send_due() == 0, "once"


def test_signatures_are_those_of_the_specification() -> None:
    """The vector that the libraries of Standard Webhooks are tested with."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    moment = datetime.fromtimestamp(1614265330, UTC)
    headers = signing.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", moment, b'{"test": 2432232314}', [key])
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_forged_body_does_not_verify(alice: Character, hook: Shown, receiver: Receiver) -> None:
    completed(alice)
    dispatcher.send_due()
    sent = receiver.requests[0]
    with pytest.raises(WebhookVerificationError):
        Webhook(hook.secret).verify(sent.body.replace(b"completed", b"failed"), sent.headers)


@pytest.mark.usefixtures("hook")
def test_what_is_rolled_back_is_not_told(alice: Character, monkeypatch: pytest.MonkeyPatch) -> None:
    row = queued(alice)
    claim, announce = claims.claim("host/1"), lifecycle._announce
    assert claim is not None

    def announce_then_break_off(*arguments: Any) -> None:
        announce(*arguments)
        raise RuntimeError("the machine stumbles just before the commit")

    with scope.bound(alice.tenant.id):
        with monkeypatch.context() as patch:
            patch.setattr(lifecycle, "_announce", announce_then_break_off)
            with pytest.raises(RuntimeError):
                lifecycle.complete(claim, "text", 3.0, [1])
        assert not Event.objects.exists()
        row.refresh_from_db()
        assert row.status == "running"
        lifecycle.complete(claim, "text", 3.0, [1])
        assert Event.objects.get().subject == str(row.id)


def test_each_way_to_end_is_told(alice: Character, hook: Shown, receiver: Receiver) -> None:
    failing, cancelled = queued(alice, "a.mp3"), queued(alice, "b.mp3")
    claim = claims.claim("host/1")
    assert claim is not None
    with scope.bound(alice.tenant.id):
        lifecycle.fail(claim, Failure("not_media", "secret path /srv/x"))
        lifecycle.cancel(cancelled)
    dispatcher.send_due()
    told = {message["type"]: message["data"] for message in received(receiver, hook.secret)}
    assert told["transcription.failed"]["transcription"] == str(failing.id)
    assert told["transcription.failed"]["error"] == {"code": "not_media"}
    assert told["transcription.cancelled"]["transcription"] == str(cancelled.id)
    assert b"/srv/x" not in b"".join(sent.body for sent in receiver.requests)


def test_an_attempt_that_is_tried_again_is_not_told(alice: Character, hook: Shown) -> None:
    queued(alice)
    claim = claims.claim("host/1")
    assert claim is not None
    with scope.bound(alice.tenant.id):
        lifecycle.fail(claim, Failure("engine", "it broke"))
    assert dispatcher.send_due() == 0


def test_only_what_was_asked_for_is_told(alice: Character, receiver: Receiver) -> None:
    subscribe(alice, receiver.url, "transcription.failed")
    completed(alice)
    assert dispatcher.send_due() == 0


def test_a_tenant_is_told_of_its_own_only(alice: Character, mallory: Character, receiver: Receiver) -> None:
    subscribe(mallory, receiver.url)
    completed(alice)
    assert dispatcher.send_due() == 0


def test_a_new_secret_signs_beside_the_old_one_for_a_day(
    alice: Character, hook: Shown, receiver: Receiver, time_passes: Any
) -> None:
    with scope.bound(alice.tenant.id):
        fresh = endpoints.rotate(alice.actor, hook.endpoint.id).secret
    assert fresh != hook.secret
    completed(alice)
    dispatcher.send_due()
    assert received(receiver, fresh) == received(receiver, hook.secret)
    assert len(receiver.requests[0].headers["webhook-signature"].split(" ")) == 2
    time_passes(timedelta(hours=24, minutes=1))
    completed(alice)
    dispatcher.send_due()
    sent = receiver.requests[1]
    assert Webhook(fresh).verify(sent.body, sent.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(hook.secret).verify(sent.body, sent.headers)


def test_the_database_has_no_secret(hook: Shown) -> None:
    row = hook.endpoint
    kept = json.dumps({field.name: str(getattr(row, field.name)) for field in row._meta.concrete_fields})
    assert hook.secret not in kept
    assert base64.b64decode(hook.secret.removeprefix("whsec_")).hex() not in kept


def test_a_changed_secret_key_is_named_and_an_old_one_still_signs(
    alice: Character, hook: Shown, receiver: Receiver, settings: LazySettings
) -> None:
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another"
    completed(alice)
    dispatcher.send_due()
    with scope.bound(alice.tenant.id):
        assert Delivery.objects.get().last_error == "secret_lost"
        endpoints.resume(alice.actor, hook.endpoint.id)
    assert receiver.connections == 0
    settings.SECRET_KEY_FALLBACKS = [old]
    dispatcher.send_due()
    assert len(received(receiver, hook.secret)) == 1


def test_a_lost_secret_is_replaced_by_a_new_one(
    alice: Character, hook: Shown, receiver: Receiver, settings: LazySettings
) -> None:
    settings.SECRET_KEY = "another"
    with scope.bound(alice.tenant.id):
        fresh = endpoints.rotate(alice.actor, hook.endpoint.id).secret
    completed(alice)
    dispatcher.send_due()
    assert len(received(receiver, fresh)) == 1


def test_a_known_result_is_told_too(alice: Character, hook: Shown, receiver: Receiver) -> None:
    from transcription.intake import reuse
    from transcription.intake.reuse import FinishedResult

    serve()
    row = completed(alice)
    with scope.bound(alice.tenant.id):
        row.refresh_from_db()
        again = type(row)(tenant=row.tenant, recording=row.recording, model="base")
        reuse.insert_completed(again, FinishedResult(row, "", []))
    dispatcher.send_due()
    told = [message["data"]["transcription"] for message in received(receiver, hook.secret)]
    assert sorted(told) == sorted([str(row.id), str(again.id)])


class TestQuotaAlerts:
    @pytest.fixture
    def nearly_full(self, alice: Character) -> None:
        Quota.objects.filter(tenant=alice.tenant).update(stored_bytes=100, stored_bytes_used=85)

    def test_a_notice_is_told_once_whoever_looks(
        self, alice: Character, hook: Shown, receiver: Receiver, nearly_full: None
    ) -> None:
        notices.raise_due()
        assert [events.tell_notices(), events.tell_notices()] == [1, 0]
        dispatcher.send_due()
        (message,) = received(receiver, hook.secret)
        assert message["type"] == "quota.alert"
        assert (message["data"]["limit"], message["data"]["percent"]) == ("stored_bytes", 80)

    def test_two_who_look_at_the_same_moment_tell_once(self, alice: Character, hook: Shown, nearly_full: None) -> None:
        notices.raise_due()
        with scope.bound(alice.tenant.id):
            row = Notice.objects.get()
            for told in (1, 0):
                arguments = (row.tenant_id, "quota.alert", str(row.id), {"limit": row.limit}, row.created_at)
                assert outbox.record_once(*arguments) == told
            assert Event.objects.count() == Delivery.objects.count() == 1

    def test_a_refusal_has_no_percentage(self, alice: Character, hook: Shown, receiver: Receiver) -> None:
        notices.note_refusal(alice.tenant, "monthly_seconds")
        events.tell_notices()
        dispatcher.send_due()
        (message,) = received(receiver, hook.secret)
        assert (message["data"]["percent"], message["data"]["refused"]) == (None, True)
        assert message["data"]["resets_at"] == quota.next_reset(quota.this_month()).isoformat()

    def test_a_webhook_is_not_told_of_what_was_before_it(
        self, alice: Character, receiver: Receiver, nearly_full: None
    ) -> None:
        notices.raise_due()
        with scope.bound(alice.tenant.id):
            Notice.objects.update(created_at=timezone.now() - timedelta(minutes=5))
        subscribe(alice, receiver.url)
        assert events.tell_notices() == 0

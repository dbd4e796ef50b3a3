"""Alerts by the product itself: when they fire and end, who is told, and what pauses them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.core import mail
from django.utils import timezone

from tenants.models import Backup, OutboundHold, User
from tests.portal.ops.conftest import condition
from tests.receiver import Sent, listening
from transcription import processes
from transcription.alerts import evaluation, receivers, shown, silences, telling
from transcription.alerts.models import Alert, Evaluation, Message, Receiver
from transcription.maintenance import sweeper
from transcription.models import Process
from transcription.options import engines

pytestmark = pytest.mark.django_db
Move = Callable[..., None]


@pytest.fixture
def olivia() -> User:
    return User.objects.create_superuser("olivia@portal.example", "correct horse")


@pytest.fixture
def minutes_pass(db: None) -> Iterator[Move]:
    """Lets a sweeper evaluate the alerts each half a minute, for so many minutes; others report before each time.

    What web processes of other tests have left is taken away first.
    """
    Process.objects.all().delete()
    Evaluation.objects.all().delete()
    with time_machine.travel(timezone.now(), tick=False) as clock:

        def move(minutes: float, *reports: Callable[[], object]) -> None:
            for _ in range(round(minutes * 2)):
                clock.shift(30)
                for report in (sweeper.report, *reports):
                    report()
                evaluation.evaluate()

        yield move


def names(about: str = "firing") -> set[str]:
    rows = shown.firing() if about == "firing" else shown.past()
    return {one.alert.name for one in rows}


def subjects() -> list[str]:
    telling.mail_due()
    return [message.subject.strip() for message in mail.outbox]


def run_engine() -> None:
    engines.report("gpu:0", condition(), 8, 8)


def test_an_alert_fires_when_it_has_lasted_and_ends_when_it_is_over(minutes_pass: Move) -> None:
    Backup.objects.create(name="old", media=0, bytes=0, finished_at=timezone.now() - timedelta(hours=37))
    minutes_pass(9)
    assert "BackupOld" not in names()
    minutes_pass(2)
    assert "BackupOld" in names()
    Backup.objects.create(name="new", media=0, bytes=0, finished_at=timezone.now())
    minutes_pass(1)
    assert "BackupOld" in names(), "what comes back at once is told once"
    minutes_pass(2)
    assert "BackupOld" not in names()
    assert "BackupOld" in names("past")


def test_what_is_clear_before_it_lasted_never_fires(minutes_pass: Move) -> None:
    minutes_pass(0.5)
    assert Alert.objects.filter(name="NoEngine").exists()
    minutes_pass(0.5, run_engine)
    assert not Alert.objects.filter(name="NoEngine").exists()


def test_it_tells_the_memory_of_a_gpu_and_missing_workers(minutes_pass: Move) -> None:
    minutes_pass(11, lambda: engines.report("gpu:0", condition(gpu=23_000.0), 0, 8))
    texts = {one.text for one in shown.firing()}
    assert {"gpu:0 uses 93.6 % of its GPU’s memory.", "gpu:0 has no worker."} <= texts


def test_slow_answers_and_a_full_disk_are_known_from_the_processes(minutes_pass: Move) -> None:
    slow = {"answer_seconds": {"0.5": 90, "1.0": 94, "2.5": 100, "+Inf": 100}, "answered": 100, "failed": 5}
    web = processes.Registration(Process.Kind.WEB, lambda: dict(slow))

    def fill_disk() -> None:
        Process.objects.update(figures=slow | {"disk_free": 10**9})

    minutes_pass(6, web.report, fill_disk)
    assert {"SlowResponses", "RequestsFail", "DiskNearlyFull"} <= names()
    assert "PortalDown" not in names()
    minutes_pass(3)
    assert "PortalDown" in names()


def test_a_round_of_the_sweeper_that_hangs_is_told(minutes_pass: Move) -> None:
    [quick] = [one for one in sweeper.ROUNDS if one.name == "expired leases"]
    [large] = [one for one in sweeper.ROUNDS if one.name == "tenants erased"]
    quick.note()
    large.note()
    later = time.monotonic() + 12 * 60
    hanging = processes.Registration(Process.Kind.SWEEPER, lambda: {"late": sweeper.lateness([quick, large], later)})
    minutes_pass(6, hanging.report)
    [behind] = [one for one in shown.firing() if one.alert.name == "SweeperBehind"]
    assert "expired leases" in behind.text


def test_one_of_several_sweepers_evaluates(minutes_pass: Move) -> None:
    minutes_pass(2)
    fired = Alert.objects.count()
    assert evaluation.evaluate() == 0
    assert Alert.objects.count() == fired


def test_who_opted_in_is_mailed_of_the_alert_and_of_its_end(olivia: User, minutes_pass: Move) -> None:
    receivers.set_mail(olivia, True)
    minutes_pass(2)
    assert subjects() == ["Firing: NoEngine"]
    assert "since" in mail.outbox[0].body.lower()
    minutes_pass(2)
    assert subjects() == ["Firing: NoEngine"], "once"
    minutes_pass(3, run_engine)
    assert subjects() == ["Firing: NoEngine", "Over: NoEngine"]


def test_who_is_no_operator_any_more_is_not_mailed(olivia: User, minutes_pass: Move) -> None:
    receivers.set_mail(olivia, True)
    User.objects.update(is_staff=False)
    minutes_pass(2)
    assert subjects() == []


def test_nothing_is_told_while_a_restored_backup_is_held(olivia: User, minutes_pass: Move) -> None:
    receivers.set_mail(olivia, True)
    OutboundHold.objects.create(backup="one")
    minutes_pass(2)
    assert subjects() == []


def test_a_paused_alert_is_quiet_and_told_when_the_pause_ends(olivia: User, minutes_pass: Move) -> None:
    receivers.set_mail(olivia, True)
    silences.begin("NoEngine", "", timedelta(minutes=5), "The machine moves.", olivia)
    minutes_pass(4)
    assert subjects() == []
    assert shown.for_banner() == []
    assert "NoEngine" in names()
    minutes_pass(2)
    assert subjects() == ["Firing: NoEngine"]


def test_a_pause_of_what_was_told_says_that_it_still_fires(olivia: User, minutes_pass: Move) -> None:
    receivers.set_mail(olivia, True)
    minutes_pass(2)
    assert subjects() == ["Firing: NoEngine"]
    pause = silences.begin("NoEngine", "", timedelta(hours=1), "The machine moves.", olivia)
    minutes_pass(2)
    assert silences.end(pause, olivia)
    assert not silences.end(pause, olivia)
    assert subjects() == ["Firing: NoEngine", "Still firing: NoEngine"]


def test_a_pause_that_ends_beneath_another_is_not_told(olivia: User, minutes_pass: Move) -> None:
    receivers.set_mail(olivia, True)
    minutes_pass(21, lambda: engines.report("gpu:0", condition(ready=False), 0, 8))
    assert subjects() == ["Firing: EngineNotReady gpu:0"]
    one = silences.begin("EngineNotReady", "gpu:0", timedelta(hours=1), "It moves.", olivia)
    silences.begin("EngineNotReady", "", timedelta(hours=1), "All of them move.", olivia)
    silences.end(one, olivia)
    minutes_pass(2, lambda: engines.report("gpu:0", condition(ready=False), 0, 8))
    assert subjects() == ["Firing: EngineNotReady gpu:0"]


def test_a_webhook_is_sent_what_its_secret_signs_and_again_after_a_failure(
    olivia: User, minutes_pass: Move, settings: LazySettings
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.OUTBOUND_PLAIN_HTTP = ["webhooks"]
    with listening() as receiver:
        receiver.status = 503
        secret = receivers.add_webhook(f"{receiver.url}/alerts", olivia).secret
        minutes_pass(2)
        telling.post_due()
        receiver.status = 200
        minutes_pass(2)
        telling.post_due()
        first, second = receiver.requests
    assert first.body == second.body
    told = json.loads(second.body)
    assert told["type"] == "alert.fired"
    assert (told["data"]["alert"], told["data"]["severity"], told["data"]["status"]) == (
        "NoEngine",
        "critical",
        "firing",
    )
    assert signature(second, secret) in second.headers["webhook-signature"]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def signature(sent: Sent, secret: str) -> str:
    headers, body = sent.headers, sent.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def test_the_time_without_a_sweeper_is_told_afterwards_and_seen_meanwhile(olivia: User, minutes_pass: Move) -> None:
    receivers.set_mail(olivia, True)
    minutes_pass(0.5, run_engine)
    with time_machine.travel(timezone.now() + timedelta(minutes=5), tick=False):
        assert [one.alert.name for one in shown.for_banner()] == ["SweeperMissing"]
        run_engine()
        sweeper.report()
        evaluation.evaluate()
        assert shown.for_banner() == []
        assert "SweeperMissing" in names("past")
        assert subjects() == ["Over: SweeperMissing"]


def test_a_web_process_that_left_in_order_and_does_not_come_back_is_told(minutes_pass: Move) -> None:
    minutes_pass(2)
    assert "PortalDown" not in names(), "none ever ran"
    web = processes.Registration(Process.Kind.WEB)
    minutes_pass(1, web.report)
    web.leave()
    minutes_pass(2)
    assert "PortalDown" in names()


def test_what_cannot_be_measured_hides_nothing_else_and_is_told(minutes_pass: Move) -> None:
    other_release = processes.Registration(Process.Kind.WEB, lambda: {"answered": "many"})
    minutes_pass(4, other_release.report)
    assert {"AlertsUnevaluated", "NoEngine"} <= names()
    other_release.leave()
    minutes_pass(3)
    assert "AlertsUnevaluated" not in names()


def test_alerts_that_no_sweeper_evaluates_stand_in_the_banner(minutes_pass: Move) -> None:
    minutes_pass(0.5, run_engine)
    with time_machine.travel(timezone.now() + timedelta(minutes=4), tick=False):
        sweeper.report()
        assert [one.alert.name for one in shown.for_banner()] == ["AlertsUnevaluated"]


def test_alerts_go_on_when_the_databases_clock_is_set_back(minutes_pass: Move) -> None:
    minutes_pass(0.5)
    with time_machine.travel(timezone.now() - timedelta(hours=1), tick=False):
        evaluation.evaluate()
        assert evaluation.last_evaluated() == timezone.now()


def test_an_alert_of_another_release_is_left_to_it(olivia: User, minutes_pass: Move) -> None:
    receivers.set_mail(olivia, True)
    then = timezone.now() - timedelta(hours=1)
    alert = Alert.objects.create(name="Unheard", since=then, seen_at=then, fired_at=then)
    Message.objects.create(receiver=Receiver.objects.get(), alert=alert, about="fired")
    minutes_pass(2)
    assert subjects() == ["Firing: NoEngine"]
    alert.refresh_from_db()
    assert (alert.told_at, alert.ended_at) == (None, None)


def test_the_end_is_told_after_the_beginning_and_not_where_nobody_heard_of_that(
    olivia: User, minutes_pass: Move, settings: LazySettings
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.OUTBOUND_PLAIN_HTTP = ["webhooks"]
    with listening() as receiver:
        receivers.add_webhook(f"{receiver.url}/alerts", olivia)
        receiver.status = 503
        minutes_pass(1.5)
        telling.post_due()
        minutes_pass(3, run_engine)
        receiver.status = 200
        telling.post_due()
        told = [json.loads(sent.body)["type"] for sent in receiver.requests]
        assert told == ["alert.fired", "alert.fired", "alert.ended"]
        minutes_pass(3)
        minutes_pass(3, run_engine)
        telling.post_due()
        assert len(receiver.requests) == 3


def test_a_webhook_that_hangs_holds_back_no_other(olivia: User, minutes_pass: Move, settings: LazySettings) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.OUTBOUND_PLAIN_HTTP = ["webhooks"]
    other_was_told, in_time = threading.Event(), list[bool]()

    def hang(request: Any) -> None:
        in_time.append(other_was_told.wait(5))
        request.close_connection = True

    def take(request: Any) -> None:
        other_was_told.set()
        request.close_connection = True

    with listening() as hanging, listening() as other:
        hanging.reply, other.reply = hang, take
        receivers.add_webhook(f"{hanging.url}/alerts", olivia)
        receivers.add_webhook(f"{other.url}/alerts", olivia)
        minutes_pass(2)
        telling.post_due()
        assert in_time == [True]


def test_what_fires_together_is_one_mail_and_the_next_a_minute_later(olivia: User, minutes_pass: Move) -> None:
    receivers.set_mail(olivia, True)
    minutes_pass(11, lambda: [engines.report(f"gpu:{n}", condition(), 0, 8) for n in range(3)])
    assert subjects() == ["Firing: WorkersMissing gpu:0 (and 2 more)"]
    assert "gpu:2 has no worker." in mail.outbox[0].body
    Message.objects.update(sent_at=timezone.now())
    Message.objects.filter(alert__subject="gpu:0").update(sent_at=None, next_attempt_at=timezone.now())
    assert len(subjects()) == 1
    minutes_pass(1.5)
    assert len(subjects()) == 2


def test_a_gpuworkers_full_disk_refuses_no_upload(minutes_pass: Move) -> None:
    worker = processes.Registration(Process.Kind.GPUWORKER)
    minutes_pass(2, worker.report, lambda: Process.objects.update(figures={"disk_free": 10**9}))
    assert "DiskNearlyFull" not in names()

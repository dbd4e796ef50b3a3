"""The page that says why one transcription took as long as it did."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tenants import scope
from tenants.models import Quota, Tenant, User
from tests.conftest import Character, MakeMedia, create_tenant
from tests.portal.ops.test_operations import transcription
from tests.transcription.characters import submit
from transcription.engine.types import DecodeOptions, Segment, Window, WindowResult
from transcription.models import Attempt, Lane, Stage, Status, Transcription
from transcription.queue import claims
from transcription.webhooks.models import Attempt as Try
from transcription.webhooks.models import Delivery, Endpoint, Event, EventType
from transcription.worker import job

BEGIN = timezone.now().replace(microsecond=0) - timedelta(minutes=30)


@pytest.fixture
def globex(db: None) -> Tenant:
    return create_tenant("Globex")


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def attempt(row: Transcription, begin: float, end: float | None, **fields: object) -> Attempt:
    """An attempt at a transcription, from and to in seconds."""
    fence = Attempt.objects.filter(transcription=row).count() + 1
    fields = {"worker": "gpu:0/1.77", "outcome": "completed", "fence": fence} | fields
    finished = None if end is None else at(end)
    return Attempt.objects.create(
        tenant=row.tenant, transcription=row, started_at=at(begin), finished_at=finished, **fields
    )


def done(tenant: Tenant, claimed: float, end: float, created: float = 0.0, **fields: object) -> Transcription:
    """A completed transcription with its attempt; times in seconds."""
    stages = fields.pop("stages", {})
    worker = fields.pop("worker", "gpu:0/1.77")
    times = {"created_at": at(created), "started_at": at(claimed), "finished_at": at(end)}
    row = transcription(tenant, Status.COMPLETED, 60.0, **{**times, **fields})
    with scope.bound(tenant.id):
        attempt(row, claimed, end, stages=stages, worker=worker)
    return row


def page(client: Client, row: Transcription, **headers: str) -> str:
    answer = client.get(reverse("admin:operations_transcription", args=[row.id]), headers=headers or None)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.django_db
class TestTheSentence:
    def test_who_went_before_it(self, operator: Client, acme: Tenant, globex: Tenant) -> None:
        done(globex, claimed=-60, end=90, created=-70, worker="gpu:0/1.5")
        for number in range(3):
            done(globex, claimed=60 * number + 10, end=60 * number + 70, created=-5, worker="gpu:0/2.6")
        slow = done(acme, claimed=252, end=262, lane=Lane.INTERACTIVE)
        text = page(operator, slow)
        assert "It waited 4 min 12 s in the lane “interactive”" in text
        assert "4 transcriptions of 1 tenant went before it or ran already, on 2 workers." in text
        assert "Globex: 4" in text

    def test_its_own_limit(self, operator: Client, acme: Tenant, globex: Tenant) -> None:
        Quota.objects.filter(tenant=acme).update(concurrent=2)
        for number in range(2):
            done(acme, claimed=-10, end=110, created=-20, worker=f"gpu:0/{number}.5")
        done(globex, claimed=20, end=30)
        assert "its tenant ran 2 transcriptions, as many as its limit allows." in page(
            operator, done(acme, claimed=100, end=130)
        )

    def test_nobody_to_do_it(self, operator: Client, acme: Tenant) -> None:
        text = page(operator, done(acme, claimed=100, end=110))
        assert "nothing else ran meanwhile, so no worker was there" in text
        assert '<span class="ops-bad">' not in text

    def test_a_lost_worker_and_the_wait_after_it(self, operator: Client, acme: Tenant) -> None:
        row = transcription(acme, Status.COMPLETED, created_at=at(0), started_at=at(1), finished_at=at(200))
        with scope.bound(acme.id):
            attempt(row, 1, 91, outcome="lost", error="<script>no progress", reached_seconds=12.0)
            attempt(row, 101, 200, stages={"engine": [1.0, 60.0, 59.0, 3, 20.0]})
        text = page(operator, row)
        assert "1 min 30 s went into 1 attempt that was lost" in text
        assert "Worker died · gpu:0 · &lt;script&gt;no progress · 12 s of 1 min 0 s of sound were saved" in text
        assert "Wait, after attempt 1" in text

    def test_one_window_that_took_most_of_it(self, operator: Client, acme: Tenant) -> None:
        stages = {"decode": [0.1, 50.0, 2.0, 30, 0.3], "engine": [0.1, 51.0, 48.0, 4, 41.0]}
        text = page(operator, done(acme, claimed=1, end=52, stages=stages))
        assert "The engine took 48 s, 1.2× real time: 41 s of it for one window, as when a model is loaded" in text
        assert "3 windows, the longest 41 s" in text

    def test_an_engine_that_is_shared(self, operator: Client, acme: Tenant, globex: Tenant) -> None:
        done(globex, claimed=2, end=40, worker="gpu:0/3.9")
        done(globex, claimed=2, end=40, worker="gpu:1/3.9")
        stages = {"engine": [0.1, 51.0, 48.0, 20, 4.0]}
        text = page(operator, done(acme, claimed=1, end=52, stages=stages))
        assert "it shared gpu:0 with 1 other transcription of 1 tenant." in text

    def test_a_slow_sender(self, operator: Client, acme: Tenant) -> None:
        seconds = {"receive": 300.0, "probe": 0.4, "store": 0.1}
        row = done(acme, claimed=1, end=5, stages={"engine": [0, 3, 3, 2, 3]}, intake_seconds=seconds)
        text = page(operator, row)
        assert "took 5 min 0 s to arrive" in text
        assert ">Check</th>" in text

    def test_a_receiver_that_failed(self, operator: Client, acme: Tenant) -> None:
        row = done(acme, claimed=1, end=5, stages={"engine": [0, 3, 3, 2, 3]})
        with scope.bound(acme.id):
            hook = Endpoint.objects.create(tenant=acme, url="https://acme.example/s3cret", salt="x", digest="y")
            event = Event.objects.create(tenant=acme, type=EventType.COMPLETED, subject=str(row.id), body="{}")
            times = {"created_at": at(5), "finished_at": at(400), "state": "delivered"}
            sent = Delivery.objects.create(tenant=acme, endpoint=hook, event=event, **times)
            for begin, status in ((6, 500), (399, 200)):
                error = "" if status == 200 else "status"
                more = {"started_at": at(begin), "seconds": 0.5, "status": status, "error": error}
                Try.objects.create(tenant=acme, delivery=sent, response="s3cret", **more)
        text = page(operator, row)
        assert "its webhook took 6 min 35 s" in text
        assert "The receiver answered 500." in text
        assert "s3cret" not in text


@pytest.mark.django_db
def test_a_waiting_one_and_one_under_way_have_a_page(operator: Client, acme: Tenant) -> None:
    waiting = transcription(acme, Status.QUEUED, created_at=at(0))
    assert "nothing else ran meanwhile" in page(operator, waiting)
    running = transcription(acme, Status.RUNNING, created_at=at(0), started_at=at(1))
    with scope.bound(acme.id):
        attempt(running, 1, None, outcome="running")
    assert "It has been worked on for " in page(operator, running)


@pytest.mark.django_db
def test_operators_come_to_it_from_lists_and_nobody_else(operator: Client, acme: Tenant, alice: Character) -> None:
    end = timezone.now() - timedelta(minutes=2)
    row = transcription(acme, Status.COMPLETED, created_at=end - timedelta(hours=1), started_at=end, finished_at=end)
    address = reverse("admin:operations_transcription", args=[row.id])
    assert address in operator.get("/admin/operations/").content.decode()
    change = reverse("admin:transcription_transcription_change", args=[row.id])
    assert address in operator.get(change).content.decode()
    assert operator.get(reverse("admin:operations_transcription", args=[uuid.uuid4()])).status_code == 404
    part = page(operator, row, **{"x-requested-with": "fetch"})
    assert [word for word in ("<html", "<script", "style=") if word in part] == []

    stan = User.objects.create_user("stan@portal.example", "correct horse")
    stan.user_permissions.add(Permission.objects.get(codename="view_transcription"))
    User.objects.filter(pk=stan.pk).update(is_staff=True)
    staff = Client()
    staff.force_login(stan)
    assert staff.get(address).status_code == 403
    assert address not in staff.get(change).content.decode()
    member = Client()
    member.force_login(alice.user)
    assert member.get(address).status_code == 302


@pytest.mark.django_db
def test_it_costs_the_same_however_much_ran(operator: Client, acme: Tenant, globex: Tenant) -> None:
    row = done(acme, claimed=100, end=130)

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            page(operator, row, **{"x-requested-with": "fetch"})
        return len(seen)

    few = queries()
    for number in range(10):
        done(globex, claimed=10 * number, end=10 * number + 30)
    assert queries() == few


class Engine:
    """Answers each window after a moment, as an engine does."""

    def decode(self, windows: Iterable[Window], options: DecodeOptions, **_more: object) -> Iterator[WindowResult]:
        for window in windows:
            time.sleep(0.05)
            segment = Segment(window.start, window.end, " A secret fox.", (1,), 0.0, -0.1, 1.0, 0.0, 0)
            yield WindowResult(window.index, window.start, window.end, "en", 1.0, (segment,), "v1")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("within")
def test_a_worker_measures_its_stages_and_nothing_of_the_text_is_shown(
    alice: Character, operator: Client, fox: Path, make_media: MakeMedia, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = make_media("<b>bold.mp3", "-stream_loop", "40", "-i", str(fox), "-t", "80")
    row = submit(alice.actor, long)
    monkeypatch.setattr(job, "EngineClient", lambda _address, request_id: Engine())
    claim = claims.claim("host/1")
    assert claim is not None
    job.run_attempt(claim)
    row.refresh_from_db()
    assert row.status == Status.COMPLETED
    assert next(iter(row.intake_seconds)) == Stage.PROBE
    [only] = row.attempts.all()
    assert {Stage.DECODE, Stage.ENGINE, Stage.SAVE} <= set(only.stages)
    _begin, _end, seconds, runs, longest = only.stages["engine"]
    assert (runs, 0.1 < longest + seconds < 5) == (4, True)
    assert only.finished_at is not None
    worked = (only.finished_at - only.started_at).total_seconds()
    assert sum(stage[2] for stage in only.stages.values()) <= worked + 0.01
    text = page(operator, row)
    assert "secret fox" not in text
    assert "<b>bold" not in text
    assert "3 windows" in text

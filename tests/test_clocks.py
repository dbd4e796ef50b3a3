"""Hosts' clocks differ: leases, heartbeats and due times go by the database's."""

from __future__ import annotations

import logging
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from portal.tickets import service
from portal.tickets.models import SocketTicket
from tenants import api_keys, database_clock, rate_limit, scope
from tenants.access import Actor
from tenants.api_keys import Bearer
from tenants.rate_limit import TooManyRequests
from tests.clocks import clock_moved
from tests.conftest import Character
from tests.portal.ops.conftest import condition
from tests.transcription.characters import submit
from transcription.errors import Failure
from transcription.fetches import access
from transcription.fetches import claims as fetch_claims
from transcription.fetches.models import Fetch
from transcription.intake import waiters
from transcription.intake.request import CallContext
from transcription.leases import LostClaim
from transcription.maintenance import sweeper
from transcription.models import Attempt, Engine, Status, Transcription
from transcription.options import engines
from transcription.options.options import TranscriptionOptions
from transcription.queue import claims, fairness, lifecycle
from transcription.uploads import acceptance, creation
from transcription.uploads.creation import Plan
from transcription.uploads.models import Upload
from transcription.webhooks import deliveries, endpoints
from transcription.webhooks.deliveries import Outcome
from transcription.webhooks.models import Delivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


@pytest.fixture
def waiting(alice: Character, fox: Path) -> Transcription:
    return submit(alice.actor, fox)


def claimed() -> claims.Claim:
    claim = claims.claim("host/1")
    assert claim is not None
    return claim


class TestEngines:
    def test_a_web_process_that_is_16_s_ahead_sees_them_alive(self, client: Client) -> None:
        engines.report("here:0", condition(), 8, 8)
        with clock_moved(seconds=16):
            assert [engine.name for engine in engines.alive()] == ["here:0"]
            assert [engine.is_alive for engine in Engine.objects.all()] == [True]
            assert client.get("/health").status_code == 200

    @pytest.mark.parametrize("seconds", [-16, 16])
    def test_one_whose_host_differs_is_alive_until_it_is_silent(self, seconds: int) -> None:
        with clock_moved(seconds=seconds):
            engines.report("here:0", condition(), 8, 8)
        assert engines.alive()
        Engine.objects.update(updated_at=Now() - timedelta(seconds=16))
        assert not engines.alive()
        with clock_moved(seconds=-60):
            assert not engines.alive()

    def test_a_clock_that_differs_is_a_warning(
        self, client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database_clock, "_warned_at", None)
        engines.report("here:0", condition(), 8, 8)
        sweeper.report()
        assert client.get("/health").json()["status"] == "ok"
        with clock_moved(seconds=-16), caplog.at_level(logging.WARNING, "tenants.database_clock"):
            engines.report("there:0", condition(), 8, 8)
            found = client.get("/health").json()
        assert found["status"] == "degraded"
        there, own = found["problems"]
        assert own.startswith("this web process's clock is 1")
        assert there.startswith("there:0: its clock is 1")
        assert all(problem.endswith(" s behind the database's") for problem in found["problems"])
        assert "NTP" in caplog.text

    def test_operators_see_it_too(self, admin_client: Client) -> None:
        with clock_moved(seconds=16):
            engines.report("there:0", condition(), 8, 8)
            page = admin_client.get("/admin/operations/").content.decode()
        assert page.count("ahead of the database") == 2


class TestTranscriptions:
    def test_a_sweeper_ahead_takes_nothing_from_a_worker(self, waiting: Transcription) -> None:
        claim = claimed()
        with clock_moved(seconds=90):
            assert lifecycle.expire_leases() == 0
        lifecycle.renew(claim)

    def test_a_worker_ahead_keeps_its_claim_no_longer(self, waiting: Transcription) -> None:
        with clock_moved(hours=1):
            claimed()
        waiting.refresh_from_db()
        assert waiting.lease_until is not None
        assert waiting.lease_until - database_clock.now() <= claims.lease_duration()

    def test_a_worker_behind_cannot_write_after_its_lease(self, waiting: Transcription) -> None:
        claim = claimed()
        Transcription.objects.update(lease_until=Now() - timedelta(seconds=1))
        with clock_moved(seconds=-90):
            with pytest.raises(LostClaim):
                lifecycle.renew(claim)
            with pytest.raises(LostClaim):
                lifecycle.complete(claim, "", 3.0, [])

    @pytest.mark.parametrize("seconds", [-90, 90])
    def test_what_another_host_accepts_is_due_at_once(self, alice: Character, fox: Path, seconds: int) -> None:
        with clock_moved(seconds=seconds):
            submit(alice.actor, fox)
        claimed()

    def test_a_retry_waits_as_long_as_it_should(self, waiting: Transcription) -> None:
        with clock_moved(hours=1):
            lifecycle.fail(claimed(), Failure("engine", "it broke"))
        waiting.refresh_from_db()
        assert waiting.not_before - database_clock.now() < timedelta(seconds=13)
        with clock_moved(hours=1):
            assert claims.claim("host/2") is None
        assert fairness.correct_all() == 0

    def test_the_time_it_took_is_measured_by_one_clock(self, waiting: Transcription) -> None:
        claim = claimed()
        with clock_moved(hours=1):
            lifecycle.complete(claim, "", 3.0, [])
        waiting.refresh_from_db()
        assert waiting.processing_seconds is not None
        assert 0 <= waiting.processing_seconds < 60
        attempt = Attempt.objects.get()
        assert attempt.finished_at is not None
        assert attempt.finished_at >= attempt.started_at

    @pytest.mark.parametrize("seconds", [-3600, 3600])
    def test_a_caller_that_hung_up_may_come_back(self, waiting: Transcription, seconds: int) -> None:
        Transcription.objects.update(waiters=1)
        with clock_moved(seconds=seconds):
            waiters.hang_up(waiting, timedelta(seconds=0))
        assert waiters.cancel_without_waiters() == 0
        with clock_moved(seconds=3600):
            assert waiters.cancel_without_waiters() == 0
        Transcription.objects.update(cancel_at=Now())
        assert waiters.cancel_without_waiters() == 1
        waiting.refresh_from_db()
        assert waiting.status == Status.CANCELLED


class TestFetchesUploadsAndWebhooks:
    def test_a_fetch_is_one_fetchers(self, alice: Character, settings: LazySettings) -> None:
        settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
        with clock_moved(seconds=90):
            access.create(alice.actor, "http://127.0.0.1/fox.wav", "", TranscriptionOptions.checked(), CallContext())
        claim = fetch_claims.claim()
        assert claim is not None
        with clock_moved(seconds=90):
            assert fetch_claims.claim() is None
            fetch_claims.try_later(claim, "timeout", "It took too long.")
        row = Fetch.objects.get()
        assert row.not_before - database_clock.now() < timedelta(seconds=13)

    def test_an_upload_is_due_at_once_and_retried_in_seconds(self, alice: Character) -> None:
        with clock_moved(hours=1):
            row = creation.open_on_disk(alice.actor, Plan(name="a.wav", length=1))
            acceptance.arrived(row)
            with acceptance._faults_noted(row):
                raise OSError("the storage is away")
        row.refresh_from_db()
        assert row.not_before - database_clock.now() < timedelta(seconds=6)
        due = Upload.objects.filter(not_before__lte=Now() + timedelta(seconds=6))
        assert due.count() == 1

    def test_a_delivery_is_one_dispatchers_and_retried_in_time(self, alice: Character, settings: LazySettings) -> None:
        settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
        settings.OUTBOUND_PLAIN_HTTP = ["webhooks"]
        hook = endpoints.create(alice.actor, "http://127.0.0.1/hook")
        with clock_moved(seconds=90):
            endpoints.test(alice.actor, hook.endpoint.id)
        (head,) = deliveries.due_endpoints()
        (claim,) = deliveries.claim(head, 1)
        with clock_moved(seconds=90):
            assert deliveries.due_endpoints() == []
            assert deliveries.finish(claim, Outcome(timezone.now(), 0.1, error="timeout"))
        row = Delivery.objects.select_related("endpoint").get()
        for due in (row.next_attempt_at, row.endpoint.not_before):
            assert due - database_clock.now() < timedelta(seconds=7)


def speaking(program: Character) -> Actor:
    """A program with this character's key."""
    found = api_keys.authenticate(program.secret)
    assert found is not None
    return found


class TestPrograms:
    @pytest.mark.parametrize("seconds", [-90, 90])
    def test_a_ticket_of_one_web_process_opens_a_socket_of_another(self, alice: Character, seconds: int) -> None:
        actor = speaking(alice)
        with clock_moved(seconds=seconds):
            ticket = service.issue(actor)
        assert isinstance(service.redeem(ticket.secret), Bearer)

    def test_an_expired_ticket_opens_nothing_wherever_it_is_shown(self, alice: Character) -> None:
        ticket = service.issue(speaking(alice))
        with scope.across_tenants("time passes"):
            SocketTicket.objects.update(expires_at=Now() - timedelta(seconds=1))
        with clock_moved(seconds=-90):
            assert service.redeem(ticket.secret) is None

    def test_a_web_process_ahead_uses_up_no_minute(self, alice: Character) -> None:
        with clock_moved(seconds=90):
            rate_limit.take(alice.actor.tenant)
        room = rate_limit.take(alice.actor.tenant)
        assert room.remaining == room.limit - 2

    def test_all_web_processes_share_one_limit(self, alice: Character) -> None:
        tenant = alice.actor.tenant
        tenant.quota.requests_per_minute = 1
        rate_limit.take(tenant)
        with clock_moved(seconds=90), pytest.raises(TooManyRequests):
            rate_limit.take(tenant)

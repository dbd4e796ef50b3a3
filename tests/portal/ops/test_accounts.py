"""The nightly check: silent where all is well, loud where it is not, and done once."""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from django.test import Client, override_settings
from django.utils import timezone
from django.utils.translation import override

from tenants import balance, discrepancies, quota, scope
from tenants.discrepancies import Discrepancy, Kind
from tenants.models import AccountCheck, LedgerEntry, Quota, Reservation, Tenant, UsageMonth
from tests.conftest import Character
from tests.portal.ops.test_metrics import samples
from tests.portal.ops.test_operations import transcription
from tests.transcription.characters import submit
from tests.transcription.finishing import finish, serve
from transcription.library import recordings
from transcription.maintenance import reconciliation
from transcription.models import Recording, Status, Transcription
from transcription.queue import lifecycle

pytestmark = pytest.mark.django_db
SOME_ID = uuid.UUID(int=12)


@pytest.fixture
def done(alice: Character, fox: Path) -> Transcription:
    """Alice's recording, transcribed and charged with 3 s."""
    serve()
    with scope.bound(alice.tenant.id):
        return finish(submit(alice.actor, fox))


def told() -> list[tuple[Kind, uuid.UUID | None, int, int]]:
    return [(one.kind, one.transcription, one.expected, one.found) for one in reconciliation.discrepancies()]


def test_whatever_honest_work_does_is_found_in_order(alice: Character, fox: Path, done: Transcription) -> None:
    with scope.bound(alice.tenant.id):
        reused = submit(alice.actor, fox)
        waiting = submit(alice.actor, fox, language="de")
        cancelled = submit(alice.actor, fox, language="fr")
        lifecycle.cancel(cancelled)
        recordings.erase(alice.actor, done.recording_id)
        reused.refresh_from_db()
    assert (reused.status, reused.reused_from_id, waiting.status) == (Status.COMPLETED, None, Status.QUEUED)
    assert told() == []
    assert reconciliation.check_today() == 0


class TestWhatIsFound:
    @pytest.fixture(autouse=True)
    def everything_is_visible(self, done: Transcription, within: None) -> None:
        """Acme has one transcription, charged."""

    def test_work_that_was_never_charged(self, done: Transcription) -> None:
        LedgerEntry.objects.all().delete()
        assert told() == [(Kind.CHARGES, done.id, 1, 0)]

    def test_a_charge_for_what_failed(self, done: Transcription) -> None:
        Transcription.objects.update(status=Status.FAILED)
        assert told() == [(Kind.CHARGES, done.id, 0, 1)]

    def test_a_charge_for_what_was_reused(self, done: Transcription) -> None:
        Transcription.objects.update(is_reused=True)
        assert told() == [(Kind.CHARGES, done.id, 0, 1)]

    def test_seconds_held_for_what_is_over(self, done: Transcription) -> None:
        Reservation.objects.update(state=Reservation.State.HELD)
        assert told() == [(Kind.HELD_FOR_ENDED, done.id, 0, 3)]

    def test_stored_bytes_that_nothing_takes(self, done: Transcription) -> None:
        kept = done.recording.bytes
        Quota.objects.update(stored_bytes_used=F("stored_bytes_used") + 5)
        assert told() == [(Kind.STORED_BYTES, None, kept, kept + 5)]

    def test_audio_that_retention_deleted_takes_no_bytes(self, done: Transcription) -> None:
        Recording.objects.update(audio_deleted_at=timezone.now())
        quota.give_storage_back(done.tenant_id, done.recording.bytes)
        assert told() == []


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Kind.USED_SECONDS, "已用音频秒数"),
        (Kind.RESERVED_SECONDS, "已预留音频秒数"),
        (Kind.HELD_FOR_ENDED, f"为已结束的转写 {SOME_ID} 预留的音频秒数"),
        (Kind.CHARGES, f"转写 {SOME_ID} 的计费次数（completed）"),
        (Kind.STORED_BYTES, "存储字节数"),
    ],
)
def test_what_differs_is_said_in_the_language_of_the_page_and_in_english_in_logs(kind: Kind, said: str) -> None:
    one = Discrepancy(SOME_ID, kind, 1, 12345, transcription=SOME_ID, status="completed")
    with override("zh-hans"):
        assert one.words.startswith(said)
        assert str(one).endswith("should be 1, is 12,345")


def test_a_tenant_that_is_gone_keeps_its_id_in_what_was_found() -> None:
    row = Discrepancy(SOME_ID, Kind.STORED_BYTES, 1, 12345).as_row()
    [(tenant, one)] = discrepancies.of_check(AccountCheck(discrepancies=[row]))
    assert (tenant, one.month, one.words) == (str(SOME_ID), None, "stored bytes: should be 1, is 12,345")


class TestReleasing:
    @pytest.fixture(autouse=True)
    def visible(self, within: None) -> None:
        """Acme is bound."""

    def hold(self, tenant: Tenant, work: uuid.UUID) -> None:
        with transaction.atomic():
            quota.reserve(tenant, work, 60)

    @pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
    def test_what_is_held_for_ended_work_is_given_back(
        self, status: str, acme: Tenant, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.hold(acme, transcription(acme, status).id)
        self.hold(acme, uuid.uuid4())
        assert [reconciliation.release_ended(), reconciliation.release_ended()] == [2, 0]
        assert UsageMonth.objects.get().reserved_seconds == 0
        assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]

    @pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.COMPLETED])
    def test_the_rest_is_left_alone(self, status: str, acme: Tenant) -> None:
        self.hold(acme, transcription(acme, status).id)
        assert reconciliation.release_ended() == 0
        assert UsageMonth.objects.get().reserved_seconds == 60


class TestTheCheck:
    @pytest.fixture
    def wrong(self, acme: Tenant) -> Tenant:
        """Acme's used seconds are 7 too many."""
        with scope.bound(acme.id):
            UsageMonth.objects.create(tenant=acme, month=quota.this_month(), used_seconds=7)
        return acme

    def test_is_made_once_a_day(self, acme: Tenant) -> None:
        reconciliation.check_today()
        reconciliation.check_today()
        check = AccountCheck.objects.get()
        assert (check.day, check.tenants_checked, check.discrepancies) == (timezone.now().date(), 1, [])
        assert check.finished_at is not None

    def test_that_crashed_is_made_again_after_an_hour(self, wrong: Tenant) -> None:
        crashed = AccountCheck.objects.create(day=timezone.now().date(), started_at=timezone.now())
        assert reconciliation.check_today() == 0, "somebody may be at it"
        AccountCheck.objects.update(started_at=timezone.now() - timedelta(minutes=61))
        assert reconciliation.check_today() == 1
        crashed.refresh_from_db()
        assert crashed.finished_at is not None

    def test_shouts(self, wrong: Tenant, caplog: pytest.LogCaptureFixture) -> None:
        with override_settings(ADMINS=[("", "olivia@portal.example")]):
            assert reconciliation.check_today() == 1
        critical = [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]
        month = f"{quota.this_month():%Y-%m}"
        assert critical == [
            f"The accounts disagree: tenant {wrong.id} in {month}: audio seconds used: should be 0, is 7"
        ]
        assert mail.outbox[0].to == ["olivia@portal.example"]
        assert str(wrong.id) in mail.outbox[0].body

    def test_is_not_stopped_by_a_dead_mail_server(self, wrong: Tenant) -> None:
        with override_settings(ADMINS=[("", "o@portal.example")], EMAIL_BACKEND="tests.nowhere.Backend"):
            assert reconciliation.check_today() == 1
        assert AccountCheck.objects.get().finished_at is not None

    def test_is_seen_by_prometheus(self, wrong: Tenant, client: Client) -> None:
        assert "portal_account_discrepancies" not in samples(client)
        reconciliation.check_today()
        AccountCheck.objects.update(finished_at=timezone.now() - timedelta(hours=3))
        found = samples(client)
        assert found["portal_account_discrepancies"] == 1
        assert found["portal_account_check_age_seconds"] == pytest.approx(3 * 3600, abs=60)

    def test_is_seen_by_operators(self, wrong: Tenant, operator: Client) -> None:
        page = operator.get("/admin/operations/").content.decode()
        assert "The accounts were not compared yet" in page
        reconciliation.check_today()
        page = operator.get("/admin/operations/").content.decode()
        assert "The accounts disagree in 1 figure" in page
        assert f'href="/admin/tenants/tenant/{wrong.id}/change/"' in page
        assert f">Acme</a> <small>{wrong.id}</small> · {quota.this_month():%Y-%m}" in page
        assert "audio seconds used: should be 0, is 7" in page
        assert "Everything works." not in page

    def test_is_told_in_words_in_the_admin(self, wrong: Tenant, operator: Client) -> None:
        reconciliation.check_today()
        check = AccountCheck.objects.get()
        page = operator.get(f"/admin/tenants/accountcheck/{check.pk}/change/").content.decode()
        assert f"<p>Acme ({wrong.id}) {quota.this_month():%Y-%m}<br>audio seconds used: should be 0, is 7</p>" in page
        assert "tenant_id" not in page
        AccountCheck.objects.update(discrepancies=[])
        assert "None." in operator.get(f"/admin/tenants/accountcheck/{check.pk}/change/").content.decode()

    def test_that_finds_nothing_shows_no_box(self, acme: Tenant, operator: Client) -> None:
        reconciliation.check_today()
        page = operator.get("/admin/operations/").content.decode()
        assert "ops-alarm" not in page
        assert "The accounts were compared" in page


@pytest.mark.django_db(transaction=True)
def test_of_several_sweepers_one_checks(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[int] = []

    def counted() -> list[Discrepancy]:
        checks.append(threading.get_ident())
        return []

    monkeypatch.setattr(balance, "discrepancies", counted)

    def sweep() -> None:
        reconciliation.check_today()
        connection.close()

    threads = [threading.Thread(target=sweep) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(checks), AccountCheck.objects.count()) == (1, 1)


def test_a_sweep_does_all_of_it(alice: Character) -> None:
    Quota.objects.filter(tenant=alice.tenant).update(stored_bytes_used=F("stored_bytes"))
    call_command("sweeper", "--once")
    with scope.bound(alice.tenant.id):
        assert UsageMonth.objects.get().month == quota.this_month()
    assert [message.to for message in mail.outbox] == [[alice.user.email]]
    [one] = AccountCheck.objects.get().discrepancies
    assert (one["kind"], one["expected"], one["month"]) == ("stored_bytes", 0, None)

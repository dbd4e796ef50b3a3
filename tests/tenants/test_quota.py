import threading
import uuid
from datetime import UTC, date, datetime

import pytest
from django.db import connection, transaction

from tenants import quota, scope
from tenants.models import LedgerEntry, Reservation, Tenant, UsageMonth
from tenants.quota import QuotaExceeded
from tests.conftest import found


def reserve(tenant: Tenant, seconds: int) -> uuid.UUID:
    work = uuid.uuid4()
    with transaction.atomic():
        quota.reserve(tenant, work, seconds)
    return work


def numbers() -> tuple[int, int]:
    usage = UsageMonth.objects.get()
    return usage.used_seconds, usage.reserved_seconds


@pytest.mark.django_db
class TestOneMonth:
    @pytest.fixture(autouse=True)
    def bound(self, within: None, acme: Tenant) -> None:
        acme.quota.monthly_seconds = 100
        acme.quota.save()

    def test_settling_charges_what_it_took_and_frees_the_rest(self, acme: Tenant) -> None:
        work = reserve(acme, 60)
        assert numbers() == (0, 60)
        assert quota.settle(work, 58, "Board meeting")
        assert numbers() == (58, 0)
        assert LedgerEntry.objects.get().seconds == 58

    def test_settling_twice_charges_once(self, acme: Tenant) -> None:
        work = reserve(acme, 60)
        assert quota.settle(work, 60, "Board")
        assert not quota.settle(work, 60, "Board")
        assert not quota.release(work)
        assert numbers() == (60, 0)
        assert LedgerEntry.objects.count() == 1

    def test_releasing_costs_nothing(self, acme: Tenant) -> None:
        work = reserve(acme, 60)
        assert quota.release(work)
        assert not quota.settle(work, 60, "Board")
        assert numbers() == (0, 0)
        assert not LedgerEntry.objects.exists()

    def test_what_does_not_fit_is_refused_with_its_figures(self, acme: Tenant) -> None:
        reserve(acme, 70)
        with pytest.raises(QuotaExceeded) as refusal:
            reserve(acme, 31)
        exceeded = refusal.value
        assert (exceeded.needed, exceeded.left, exceeded.limit) == (31, 30, 100)
        assert exceeded.resets_at == quota.next_reset(quota.this_month())
        assert reserve(acme, 30)

    def test_a_recording_longer_than_it_said_takes_more(self, acme: Tenant) -> None:
        work = reserve(acme, 10)
        quota.extend(work, 70)
        assert numbers() == (0, 70)
        with pytest.raises(QuotaExceeded):
            quota.extend(work, 101)
        quota.settle(work, 70, "Board")
        assert numbers() == (70, 0)
        assert Reservation.objects.get().state == Reservation.State.SETTLED

    def test_stored_bytes_have_a_limit_too(self, acme: Tenant) -> None:
        acme.quota.stored_bytes = 10
        acme.quota.save()
        quota.take_storage(acme, 8)
        with pytest.raises(QuotaExceeded):
            quota.take_storage(acme, 3)
        quota.give_storage_back(acme.id, 8)
        quota.take_storage(acme, 10)


@pytest.mark.django_db(transaction=True)
def test_a_stampede_never_passes_the_quota() -> None:
    tenant = found("Acme", monthly_seconds=100)
    won: list[uuid.UUID] = []

    def rush() -> None:
        with scope.bound(tenant.id):
            for _ in range(5):
                try:
                    won.append(reserve(tenant, 10))
                except QuotaExceeded:
                    pass
        connection.close()

    threads = [threading.Thread(target=rush) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 10
    with scope.bound(tenant.id):
        assert numbers() == (0, 100)


@pytest.mark.parametrize(("duration", "seconds"), [(0.1, 1), (1.0, 1), (1.0001, 1), (1.01, 2), (59.5, 60)])
def test_begun_seconds_count(duration: float, seconds: int) -> None:
    assert quota.billed_seconds(duration) == seconds


def test_the_quota_resets_on_the_first_in_utc() -> None:
    assert quota.next_reset(date(2026, 12, 1)) == datetime(2027, 1, 1, tzinfo=UTC)
    late = datetime.fromisoformat("2026-11-30T23:30:00-05:00")
    assert quota.this_month(late) == date(2026, 12, 1)

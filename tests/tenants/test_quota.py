import uuid
from datetime import UTC, date, datetime

import pytest
import time_machine
from django.db import transaction
from pytest_django.fixtures import DjangoAssertNumQueries

from tenants import quota, scope
from tenants.models import LedgerEntry, Reservation, Tenant, UsageMonth
from tenants.quota import QuotaExceeded
from tests.conftest import create_tenant
from tests.race import race


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
def test_of_five_hundred_at_once_exactly_the_hundred_that_fit_win() -> None:
    tenant = create_tenant("Acme", monthly_seconds=1000)

    def submit() -> bool:
        with scope.bound(tenant.id):
            try:
                reserve(tenant, 10)
            except QuotaExceeded:
                return False
        return True

    assert race(500, submit) == 100
    with scope.bound(tenant.id):
        assert numbers() == (0, 1000)
        assert Reservation.objects.count() == 100


@pytest.mark.django_db(transaction=True)
def test_many_at_once_with_room_for_all_are_let_in() -> None:
    tenant = create_tenant("Acme", monthly_seconds=1000)

    def submit() -> bool:
        with scope.bound(tenant.id):
            work = reserve(tenant, 10)
            return quota.settle(work, 10, "Board") and not quota.release(work)

    assert race(100, submit) == 100
    with scope.bound(tenant.id):
        assert numbers() == (1000, 0)
        assert LedgerEntry.objects.count() == 100


@pytest.mark.django_db
class TestTheTurnOfAMonth:
    def test_what_was_accepted_in_november_is_charged_to_november(self, acme: Tenant, within: None) -> None:
        with time_machine.travel("2026-11-30T23:59:50Z", tick=False):
            work = reserve(acme, 60)
        with time_machine.travel("2026-12-01T00:00:10Z", tick=False):
            assert quota.open_month() == 1
            later = reserve(acme, 5)
            assert quota.settle(work, 58, "Board")
            assert quota.release(later)
            now = quota.snapshot(acme)
        november, december = UsageMonth.objects.order_by("month")
        assert (november.month, november.used_seconds, november.reserved_seconds) == (date(2026, 11, 1), 58, 0)
        assert (december.month, december.used_seconds, december.reserved_seconds) == (date(2026, 12, 1), 0, 0)
        assert (now.used_seconds, now.left_seconds) == (0, acme.quota.monthly_seconds)
        assert LedgerEntry.objects.get().month == november

    def test_the_first_sweep_opens_it_for_active_tenants_and_the_next_ones_do_nothing(
        self, acme: Tenant, within: None, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        closed = create_tenant("Closed")
        Tenant.objects.filter(id=closed.id).update(is_active=False)
        assert quota.open_month() == 1
        reserve(acme, 10)
        with django_assert_num_queries(1):
            assert quota.open_month() == 0
        assert numbers() == (0, 10)


@pytest.mark.parametrize(("duration", "seconds"), [(0.1, 1), (1.0, 1), (1.0001, 1), (1.01, 2), (59.5, 60)])
def test_begun_seconds_count(duration: float, seconds: int) -> None:
    assert quota.billed_seconds(duration) == seconds


def test_the_quota_resets_on_the_first_in_utc() -> None:
    assert quota.next_reset(date(2026, 12, 1)) == datetime(2027, 1, 1, tzinfo=UTC)
    late = datetime.fromisoformat("2026-11-30T23:30:00-05:00")
    assert quota.this_month(late) == date(2026, 12, 1)

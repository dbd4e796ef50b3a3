"""Counters against the rows they count."""

from __future__ import annotations

import json
import uuid

import pytest
from django.db import transaction
from django.db.models import F
from pytest_django.fixtures import DjangoAssertNumQueries

from tenants import balance, quota, scope
from tenants.discrepancies import Kind
from tenants.models import LedgerEntry, Reservation, Tenant, UsageMonth
from tests.conftest import create_tenant

pytestmark = pytest.mark.django_db


def work(tenant: Tenant, seconds: int, settled: bool = False) -> None:
    number = uuid.uuid4()
    with scope.bound(tenant.id), transaction.atomic():
        quota.reserve(tenant, number, seconds)
        if settled:
            quota.settle(number, seconds, "Board")


@pytest.fixture
def busy(acme: Tenant) -> Tenant:
    """Acme with 10 s used and 20 s held."""
    work(acme, 10, settled=True)
    work(acme, 20)
    return acme


def test_honest_work_balances(busy: Tenant) -> None:
    work(create_tenant("Other"), 5, settled=True)
    assert balance.discrepancies() == []


def test_a_used_second_without_a_ledger_line_is_found(busy: Tenant) -> None:
    with scope.bound(busy.id):
        UsageMonth.objects.update(used_seconds=F("used_seconds") + 3)
    [one] = balance.discrepancies()
    assert (one.tenant_id, one.month, one.kind, one.expected, one.found) == (
        *(busy.id, quota.this_month(), Kind.USED_SECONDS),
        *(10, 13),
    )


def test_both_figures_are_compared(busy: Tenant) -> None:
    with scope.bound(busy.id):
        LedgerEntry.objects.all().delete()
        Reservation.objects.filter(state=Reservation.State.HELD).update(seconds=21)
    found_wrong = balance.discrepancies()
    assert [(one.kind, one.expected, one.found) for one in found_wrong] == [
        (Kind.USED_SECONDS, 0, 10),
        (Kind.RESERVED_SECONDS, 21, 20),
    ]
    assert '"expected": 21, "found": 20' in json.dumps(found_wrong[1].as_row())


def test_it_is_one_query_whatever_there_is(busy: Tenant, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(5):
        work(create_tenant(f"Tenant {number}"), 10, settled=True)
    with django_assert_num_queries(1):
        assert balance.discrepancies() == []

"""Tries are counted in the database, by whom they are of."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from tenants import throttle
from tenants.models import Attempts
from tenants.throttle import Limit
from tests.race import race

pytestmark = pytest.mark.django_db
THREE = Limit("guesses", 3, 30)


def test_so_many_at_once_then_one_in_each_share_of_the_time() -> None:
    start = timezone.now()
    with time_machine.travel(start, tick=False):
        assert [THREE.take("alice") for _ in range(5)] == [True, True, True, False, False]
        assert THREE.take("bob")
    with time_machine.travel(start + timedelta(seconds=10.5), tick=False):
        assert [THREE.take("alice") for _ in range(2)] == [True, False]


def test_what_is_given_back_counts_no_more() -> None:
    with time_machine.travel(timezone.now(), tick=False):
        for _ in range(9):
            assert THREE.take("alice")
            THREE.give_back("alice")


def test_limits_are_apart_and_names_are_not_kept() -> None:
    THREE.take("203.0.113.9", "hunter2 of my bank")
    assert Limit("links", 1, 60).take("203.0.113.9", "hunter2 of my bank")
    assert "hunter2" not in repr(list(Attempts.objects.values()))


def test_forgetting_forgets_what_says_nothing_any_more() -> None:
    THREE.take("alice")
    assert throttle.forget_old() == 0
    with time_machine.travel(timezone.now() + timedelta(seconds=11)):
        assert throttle.forget_old() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_no_more_pass() -> None:
    assert race(24, lambda: THREE.take("alice")) == 3

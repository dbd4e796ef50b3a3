"""Crashes of everything, at any moment and at the worst ones, in the short form. The long one: `make chaos`."""

from __future__ import annotations

import pytest

from tests.chaos.plan import short
from tests.chaos.run import carry_out

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.mark.timeout(360)
def test_whatever_is_killed_nothing_is_lost_doubled_changed_or_charged_twice() -> None:
    verdict = carry_out(short(seed=2))
    assert not verdict.faults, verdict.table()
    assert verdict.finished == verdict.plan.transcriptions

"""Crashes of everything, at any moment and at the worst ones, in the short form. The long one: `make chaos`."""

from __future__ import annotations

import pytest

from tests.chaos.installation import Installation
from tests.chaos.run import Run

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.mark.timeout(360)
def test_whatever_is_killed_nothing_is_lost_doubled_changed_or_charged_twice(installation: Installation) -> None:
    report = Run(installation).go()
    assert not report.faults, report.table()
    assert report.finished == report.plan.transcriptions

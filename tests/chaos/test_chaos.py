"""Crashes of everything, at any moment and at the worst ones, in the short form. The long one: `make chaos`."""

from __future__ import annotations

import pytest

from tests.chaos.run import Run
from tests.chaos.stage import Stage

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.xdist_group("chaos")]


@pytest.mark.timeout(360)
def test_whatever_is_killed_nothing_is_lost_doubled_changed_or_charged_twice(stage: Stage) -> None:
    verdict = Run(stage).go()
    assert not verdict.faults, verdict.table()
    assert verdict.finished == verdict.plan.transcriptions

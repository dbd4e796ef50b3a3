"""The sweeper's rounds, as the process runs them."""

from __future__ import annotations

import pytest

from tests.conftest import Character
from transcription.maintenance.sweeper import ROUNDS, sweep


@pytest.mark.django_db(transaction=True)
def test_no_task_needs_a_tenant_bound(alice: Character, caplog: pytest.LogCaptureFixture) -> None:
    for one in ROUNDS:
        sweep(one.tasks)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []

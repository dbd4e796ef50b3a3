"""How many recordings a gpuworker takes at once."""

from __future__ import annotations

import pytest
from django.conf import LazySettings

from transcription.worker.status_reporter import LEAST_WORKERS, MOST_WORKERS, SharedState


@pytest.mark.parametrize(("slots", "workers"), [(0, LEAST_WORKERS), (28, 28), (256, MOST_WORKERS)])
def test_a_worker_for_each_slot_of_the_engine_unless_a_number_is_set(
    slots: int, workers: int, settings: LazySettings
) -> None:
    settings.WORKERS = 0
    state = SharedState()
    state.announce_slots(slots)
    assert state.workers_wanted == workers
    settings.WORKERS = 3
    assert state.workers_wanted == 3

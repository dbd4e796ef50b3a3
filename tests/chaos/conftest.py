from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.plan import short
from tests.chaos.stage import Stage


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Two gpuworkers with leases of eight seconds, shared by all tests of this folder."""
    with Stage(short(seed=2)) as stage:
        yield stage
    stage.tidy_up()

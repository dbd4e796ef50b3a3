from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.installation import Installation
from tests.chaos.plan import short


@pytest.fixture(scope="package")
def installation() -> Iterator[Installation]:
    """Two gpuworkers with leases of eight seconds, shared by all tests of this folder."""
    with Installation(short(seed=2)) as installation:
        yield installation
    installation.tidy_up()

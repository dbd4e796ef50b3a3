from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
import time_machine
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from tests.conftest import Character
from tests.receiver import Receiver, listening


@pytest.fixture(autouse=True)
def loopback_allowed(settings: LazySettings) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture
def server(fox: Path) -> Iterator[Receiver]:
    """Has a recording of a fox."""
    with listening() as found:
        found.body = fox.read_bytes()
        yield found


@pytest.fixture
def api(client: Client, alice: Character) -> Client:
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {alice.secret}"
    return client


@pytest.fixture
def time_passes() -> Iterator[Callable[[timedelta], None]]:
    """Moves the clock on from now."""
    with time_machine.travel(timezone.now(), tick=True) as clock:
        yield clock.shift

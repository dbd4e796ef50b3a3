"""A receiver on this machine, allowed by the operator, and transcriptions that end without an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from ipaddress import ip_network

import pytest
import time_machine
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from tenants import scope
from tenants.models import ApiKey, KeyScope
from tests.conftest import Character
from tests.portal.web.conftest import make_transcription
from tests.receiver import Receiver, listening
from transcription.models import Status, Transcription
from transcription.queue import claims, fairness, lifecycle
from transcription.webhooks import endpoints
from transcription.webhooks.endpoints import Shown


@pytest.fixture(autouse=True)
def loopback_allowed(settings: LazySettings) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.OUTBOUND_PLAIN_HTTP = ["downloads", "webhooks"]


@pytest.fixture
def listen() -> Iterator[Callable[[], Receiver]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(listening())


@pytest.fixture
def receiver(listen: Callable[[], Receiver]) -> Receiver:
    return listen()


@pytest.fixture
def hook(alice: Character, receiver: Receiver) -> Shown:
    """Alice's webhook."""
    return subscribe(alice, f"{receiver.url}/hook")


@pytest.fixture
def managing_keys() -> None:
    """Everybody's keys may do what an owner may."""
    with scope.across_tenants("a test"):
        ApiKey.objects.update(scope=KeyScope.ADMIN)


@pytest.fixture
def api(client: Client, alice: Character, managing_keys: None) -> Client:
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {alice.secret}"
    return client


def subscribe(character: Character, url: str, *events: str) -> Shown:
    with scope.bound(character.tenant.id):
        return endpoints.create(character.actor, url, events=events)


def queued(character: Character, name: str = "Board meeting.mp3") -> Transcription:
    row = make_transcription(character.tenant, name, Status.QUEUED)
    with scope.bound(character.tenant.id):
        fairness.correct(row.tenant_id, row.lane)
    return row


def completed(character: Character, name: str = "Board meeting.mp3") -> Transcription:
    """A transcription whose secret words nobody outside may be told."""
    row = queued(character, name)
    claim = claims.claim("host/1")
    assert claim is not None
    assert claim.transcription_id == row.id
    with scope.bound(character.tenant.id):
        lifecycle.complete(claim, "the secret words", 3.0, [1])
    return row


@pytest.fixture
def time_passes() -> Iterator[Callable[[timedelta], None]]:
    """Moves the clock on from now."""
    with time_machine.travel(timezone.now(), tick=True) as clock:
        yield clock.shift

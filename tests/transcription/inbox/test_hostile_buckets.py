"""A bucket answers whatever its owner likes, and when; that is the affair of its organisation alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from tenants import scope
from tests.conftest import Character
from tests.receiver import Receiver, listening
from tests.rounds import running
from tests.waiting import until
from transcription.exchange import places
from transcription.exchange.models import Arrival, Place
from transcription.exchange.places import PlaceSettings
from transcription.inbox import polling

LISTED = """<?xml version="1.0"?><ListBucketResult><Name>x</Name><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated>
<Contents><Key>{key}</Key>{etag}<Size>{size}</Size></Contents></ListBucketResult>"""
ETAG = "<ETag>&quot;0123&quot;</ETag>"


@pytest.fixture
def hostile(settings: LazySettings, alice: Character, within: None) -> Iterator[Receiver]:
    """What Alice's watched bucket is served by."""
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.OUTBOUND_PLAIN_HTTP = ["downloads", "buckets"]
    with listening() as receiver:
        receiver.headers["Content-Type"] = "application/xml"
        wanted = PlaceSettings("Bucket", "bucket", "voice", receiver.url, "acme", "", "a", "b", is_watched=True)
        places.create(alice.actor, wanted)
        yield receiver


@pytest.fixture
def neighbour(mallory: Character, root: Path, fox: Path, within: None) -> Place:
    """A watched folder of another organisation, with a file in it."""
    with scope.bound(mallory.tenant.id):
        row = places.create(mallory.actor, PlaceSettings(name="Server", kind="folder", path="radio", is_watched=True))
    inside = root / str(row.tenant_id) / "radio" / "in"
    inside.mkdir(parents=True)
    (inside / "news.wav").write_bytes(fox.read_bytes())
    return row


def arrived(place: Place) -> bool:
    with scope.bound(place.tenant_id):
        return Arrival.objects.filter(place=place).exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "listed",
    [
        {"key": "voice/in/a.wav", "etag": "", "size": 1},
        {"key": "voice/in/a.wav", "etag": ETAG, "size": 10**30},
        {"key": "voice/in/a.wav", "etag": ETAG, "size": -1},
        {"key": "voice/in/" + "a" * 1100, "etag": ETAG, "size": 1},
        {"key": "voice/in/a.wav", "etag": f"<ETag>{'e' * 400}</ETag>", "size": 1},
    ],
)
def test_a_listing_that_no_bucket_gives_stops_nobody_else(
    hostile: Receiver, neighbour: Place, listed: dict[str, Any]
) -> None:
    hostile.body = LISTED.format(**listed).encode()
    assert polling.look_into_all() == 1
    assert arrived(neighbour)
    row = Place.objects.get()
    assert (row.failures, row.last_error) == (1, "The bucket’s answer could not be read.")
    assert not arrived(row)


@pytest.mark.django_db
def test_whatever_else_fails_is_said_at_the_place(
    hostile: Receiver, neighbour: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*arguments: object) -> None:
        raise RecursionError

    monkeypatch.setattr(places, "bucket_of", die)
    assert polling.look_into_all() == 1
    assert "finds the cause in its log" in Place.objects.get().last_error


@pytest.mark.django_db(transaction=True)
def test_a_bucket_that_does_not_answer_keeps_nobody_waiting(hostile: Receiver, neighbour: Place) -> None:
    asked, answered = threading.Event(), threading.Event()

    def wait(_handler: Any) -> None:
        asked.set()
        answered.wait(30)

    hostile.reply = wait
    with running("watched folders looked into"):
        try:
            assert asked.wait(30)
            until(lambda: arrived(neighbour))
            assert not Place.objects.get().failures, "Alice's bucket is still being waited for"
        finally:
            answered.set()

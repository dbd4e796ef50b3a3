"""What is listed costs the same number of queries however much there is."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tenants import scope
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.api.test_scopes import TABLE, address_of
from tests.portal.api.test_usage import charge
from tests.portal.web.conftest import make_transcription
from transcription.models import Status, Transcription
from transcription.webhooks import events
from transcription.webhooks.models import Endpoint

pytestmark = pytest.mark.django_db
LISTS = [path for method, path, *_rest in TABLE if method == "GET" and "{" not in path]
Grow = Callable[[], None]


def cost(client: Client, path: str, headers: dict[str, str]) -> int:
    """Queries of one request, when what is remembered between requests is."""
    assert client.get(path, headers=headers).status_code == 200
    with CaptureQueriesContext(connection) as queries:
        client.get(path, headers=headers)
    return len(queries)


def more_of_everything(alice: Character) -> None:
    """A recording of each status, and one more of whatever else is listed."""
    for status in Status.values:
        row = make_transcription(alice.tenant, "hello.mp3", status, resume={"mode": "fast"})
        address_of("{fetch}{webhook}{upload}", row, alice)
    bearer(alice)
    charge(alice, 1)
    charge(alice, 1, with_key=True)


FILTERED = (
    "/api/v1/recordings?status=completed&model=base&language=en&source=upload&by=people&order=changed"
    "&created_after=2020-01-01T00:00:00Z"
)


@pytest.mark.parametrize("path", [*LISTS, FILTERED])
def test_a_longer_list_costs_no_more(path: str, alice: Character, client: Client) -> None:
    headers = bearer(alice)
    more_of_everything(alice)
    few = cost(client, path, headers)
    more_of_everything(alice)
    assert cost(client, path, headers) == few


@pytest.mark.parametrize("of", ["segments", "revisions", "deliveries", "transcriptions"])
def test_nor_does_what_one_thing_has_many_of(of: str, alice: Character, client: Client) -> None:
    headers = bearer(alice)
    row = make_transcription(alice.tenant)
    with scope.bound(alice.tenant.id):
        hook = Endpoint.objects.create(tenant=alice.tenant, url="https://acme.example/hook")
    last = count(1)
    lists: dict[str, tuple[str, Grow]] = {
        "segments": (f"/api/v1/transcriptions/{row.id}/segments", lambda: split(client, row.id, next(last), headers)),
        "revisions": (f"/api/v1/transcriptions/{row.id}/revisions", lambda: split(client, row.id, next(last), headers)),
        "deliveries": (f"/api/v1/webhooks/{hook.id}/deliveries", lambda: deliver(hook)),
        "transcriptions": (f"/api/v1/recordings/{row.recording_id}/transcriptions", lambda: once_more(row)),
    }
    path, grow = lists[of]
    grow()
    few = cost(client, path, headers)
    for _again in range(4):
        grow()
    assert cost(client, path, headers) == few


def split(client: Client, transcription: UUID, index: int, headers: dict[str, str]) -> None:
    path = f"/api/v1/transcriptions/{transcription}/segments/{index}/split"
    assert send(client, "POST", path, headers | {"If-Match": "*"}, {"position": 2}).status_code == 200


def once_more(row: Transcription) -> None:
    """In each status, so that whatever is told of any of them is told."""
    with scope.bound(row.tenant_id):
        for status in Status.values:
            Transcription.objects.create(tenant=row.tenant, recording=row.recording, model="base", status=status)


def deliver(hook: Endpoint) -> None:
    with scope.bound(hook.tenant_id):
        events.test_of(hook)

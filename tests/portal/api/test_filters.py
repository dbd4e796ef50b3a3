"""Lists of recordings that are narrowed down."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from tenants import scope
from tenants.models import ApiKey, Tenant
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.web.conftest import make_transcription
from transcription import search
from transcription.models import Recording, Status, Transcription

pytestmark = pytest.mark.django_db
RECORDINGS = "/api/v1/recordings"
NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)


def made(tenant: Tenant, name: str, at: datetime = NOON, source: str = "api", **fields: Any) -> Transcription:
    row = make_transcription(tenant, name, fields.pop("status", Status.COMPLETED), created_at=at)
    with scope.bound(tenant.id):
        Recording.objects.filter(id=row.recording_id).update(created_at=at, source=source)
        Transcription.objects.filter(id=row.id).update(**fields)
        search.index_recording(row.recording_id)
    return row


def once_more(row: Transcription, after: timedelta = timedelta(hours=1), **fields: Any) -> None:
    with scope.bound(row.tenant_id):
        later = {"model": "base", "created_at": row.created_at + after} | fields
        Transcription.objects.create(tenant=row.tenant, recording=row.recording, **later)


@pytest.fixture
def found(alice: Character, client: Client) -> Any:
    headers = bearer(alice, "read")

    def ask(query: str) -> set[str]:
        answer = client.get(f"{RECORDINGS}?{query}", headers=headers)
        assert answer.status_code == 200, answer.content
        return {row["name"] for row in answer.json()["results"]}

    return ask


def test_each_filter_is_about_what_the_list_shows(alice: Character, found: Any) -> None:
    tenant = alice.tenant
    made(tenant, "fr", detected_language="fr", model="tiny", source="microphone")
    made(tenant, "asked for", detected_language="", language="fr", status=Status.FAILED)
    once_more(made(tenant, "again", detected_language="fr", model="tiny", status=Status.FAILED), language="en")
    assert found("language=fr") == found("language=French") == {"fr", "asked for"}
    assert found("model=tiny") == {"fr"}
    assert found("source=microphone") == {"fr"}
    assert found("status=failed") == {"asked for"}
    assert found("status=queued") == {"again"}
    assert found("model=base") == {"asked for", "again"}
    assert found("model=huge-v9") == found("model=tiny%00") == set()
    made(tenant, "read", text="Read.", checked_share=1.0)
    made(tenant, "half read", text="Half.", checked_share=0.5)
    assert (found("checked=checked"), found("checked=to_check")) == ({"read"}, {"half read"})


def test_of_two_transcriptions_of_one_moment_the_list_shows_the_one_that_the_filter_means(
    alice: Character, found: Any
) -> None:
    row = made(alice.tenant, "twice")
    once_more(row, timedelta(0), status=Status.FAILED)
    with scope.bound(alice.tenant.id):
        latest = Recording.objects.get().latest
    assert latest is not None
    assert found(f"status={latest.status}") == {"twice"}
    assert found("status=failed") | found("status=completed") == {"twice"}
    assert not found("status=failed") & found("status=completed")


def test_a_span_of_time_has_its_beginning_and_not_its_end(alice: Character, found: Any) -> None:
    for hours in range(3):
        made(alice.tenant, f"hour {hours}", NOON + timedelta(hours=hours))
    one, two = (quote((NOON + timedelta(hours=hours)).isoformat()) for hours in (1, 2))
    assert found(f"created_after={one}&created_before={two}") == {"hour 1"}
    assert found(f"created_before={one}") == {"hour 0"}
    assert found(f"created_after={one}") == {"hour 1", "hour 2"}
    assert found("created_after=2027-01-31T21:00:00+08:00") == {"hour 1", "hour 2"}, "a plus sign need not be encoded"


def test_a_list_says_who_added_what_and_shows_only_that(
    alice: Character, bob: Character, found: Any, client: Client
) -> None:
    made(alice.tenant, "clip")
    by_bob = made(alice.tenant, "meeting", source="upload")
    with scope.bound(alice.tenant.id):
        key = ApiKey.objects.get(created_by=alice.user, scope="read")
        Recording.objects.filter(name="clip").update(api_key=key)
        Recording.objects.filter(id=by_bob.recording_id).update(created_by=bob.user)
    assert found("") == {"clip", "meeting"}, "what programs get by default stays everything"
    assert (found("by=people"), found("by=programs")) == ({"meeting"}, {"clip"})
    assert (found(f"key={key.id}"), found("owner=Bob@ACME.example")) == ({"clip"}, {"meeting"})
    assert found(f"key={by_bob.id}") == found("owner=%00") == set()
    listed = client.get(f"{RECORDINGS}?order=name", headers=bearer(alice, "read")).json()["results"]
    assert [(row["owner"], row["key"]) for row in listed] == [(None, str(key.id)), (bob.user.email, None)]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("newest", "cab"),
        ("oldest", "bac"),
        ("name", "abc"),
        ("longest", "bca"),
        ("shortest", "acb"),
        ("changed", "abc"),
    ],
)
def test_a_list_in_any_order_has_pages(order: str, names: str, alice: Character, client: Client) -> None:
    for hours, name, length, changed in ((1, "A", 10.5, 9), (0, "b", 1e3, 8), (2, "C", 99.25, None)):
        row = made(alice.tenant, name, NOON + timedelta(hours=hours))
        with scope.bound(alice.tenant.id):
            change = changed and NOON + timedelta(hours=changed)
            Recording.objects.filter(id=row.recording_id).update(duration_seconds=length, changed_at=change)
    headers, address, listed = bearer(alice, "read"), f"{RECORDINGS}?order={order}&limit=1", []
    while address:
        page = client.get(address, headers=headers).json()
        listed += [row["name"].lower() for row in page["results"]]
        address = page["next"]
    assert "".join(listed) == names


def test_a_list_by_name_ends_where_a_thousand_have_the_same(alice: Character, client: Client) -> None:
    rows = [
        Recording(
            tenant=alice.tenant, name="audio.mp3", source="api", storage_key=f"{n}", bytes=1, duration_seconds=1.0
        )
        for n in range(1300)
    ]
    with scope.bound(alice.tenant.id):
        Recording.objects.bulk_create(rows)
    headers, address, listed = bearer(alice, "read"), f"{RECORDINGS}?order=name&limit=200", list[str]()
    while address and len(listed) <= len(rows):
        page = client.get(address, headers=headers).json()
        listed += [row["id"] for row in page["results"]]
        address = page["next"]
    assert len(listed) == len(set(listed)) == len(rows)


def test_a_correction_is_the_recording_s_last_change(alice: Character, client: Client) -> None:
    older, newer = (made(alice.tenant, name, NOON.replace(year=year)) for name, year in (("a", 2024), ("b", 2025)))
    headers, address = bearer(alice), f"{RECORDINGS}?order=changed"
    before = client.get(address, headers=headers).json()["results"]
    assert [row["id"] for row in before] == [str(newer.recording_id), str(older.recording_id)]
    change = {"text": "Good evening."}
    send(client, "PATCH", f"/api/v1/transcriptions/{older.id}/segments/0", headers | {"If-Match": "*"}, change)
    after = client.get(address, headers=headers).json()["results"]
    assert [row["id"] for row in after] == [str(older.recording_id), str(newer.recording_id)]
    assert after[0]["changed_at"] > before[1]["changed_at"]


@pytest.mark.parametrize(
    ("order", "position"), [("longest", "long"), ("longest", "nan"), ("name", "\x00"), ("changed", "1")]
)
def test_a_place_in_another_order_is_none(order: str, position: str, alice: Character, client: Client) -> None:
    cursor = b64encode(f"p={quote(position)}".encode()).decode()
    answer = client.get(f"{RECORDINGS}?order={order}&cursor={quote(cursor)}", headers=bearer(alice, "read"))
    assert (answer.status_code, answer.json()["param"]) == (400, "cursor")


def test_filters_combine_and_pages_keep_them(alice: Character, client: Client) -> None:
    tenant, headers = alice.tenant, bearer(alice, "read")
    for number in range(4):
        made(tenant, f"take {number}", NOON + timedelta(minutes=number), model="tiny", detected_language="fr")
        made(tenant, f"other model {number}", NOON, detected_language="fr")
        made(tenant, f"take {number} of long ago", NOON - timedelta(days=1), model="tiny", detected_language="fr")
    query = "search=take&status=completed&source=api&model=tiny&language=fr&created_after=2027-01-31T12:00:00Z&limit=3"
    first = client.get(f"{RECORDINGS}?{query}", headers=headers).json()
    second = client.get(first["next"], headers=headers).json()
    listed = [row["name"] for row in first["results"] + second["results"]]
    assert listed == ["take 3", "take 2", "take 1", "take 0"]
    assert (len(first["results"]), second["next"]) == (3, None)


def test_mallory_filters_her_own(alice: Character, mallory: Character, client: Client) -> None:
    made(alice.tenant, "secret", model="tiny")
    for query in ("model=tiny", "status=completed", "language=en", "source=api", "created_after=2020-01-01T00:00:00Z"):
        assert client.get(f"{RECORDINGS}?{query}", headers=bearer(mallory)).json()["results"] == []


@pytest.mark.parametrize(
    ("path", "param", "told"),
    [
        ("recordings?status=done", "status", "queued, running, completed, failed, cancelled"),
        ("recordings?status=%00", "status", "completed"),
        ("recordings?by=robots", "by", "people, programs"),
        ("recordings?order=random", "order", "newest, oldest, changed"),
        ("recordings?source=fax", "source", "upload, microphone, api"),
        ("recordings?language=klingon", "language", "klingon"),
        ("recordings?created_after=yesterday", "created_after", "2027-01-31T12:00:00Z"),
        ("recordings?created_before=2027-01-31", "created_before", "2027-01-31T12:00:00Z"),
        ("recordings?created_before=0001-01-01T00:00:00%2B14:00", "created_before", "2027-01-31T12:00:00Z"),
        ("fetches?status=completed", "status", "queued, fetching, accepting, done, failed, cancelled"),
    ],
)
def test_what_is_not_known_is_named_with_what_is(
    path: str, param: str, told: str, alice: Character, client: Client
) -> None:
    answer = client.get(f"/api/v1/{path}", headers=bearer(alice, "read"))
    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (400, "invalid_value", param)
    assert told in answer.json()["detail"]

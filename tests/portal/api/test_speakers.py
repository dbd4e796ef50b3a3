"""The speakers of a transcript for programs."""

from __future__ import annotations

import pytest
from django.test import Client

from tenants import scope
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.web.conftest import make_transcription
from transcription.models import Segment, Speaker, Transcription

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(alice: Character) -> Transcription:
    row = make_transcription(alice.tenant, speakers="2", text="Good morning. There are two risks.")
    with scope.bound(alice.tenant.id):
        for index in (0, 1):
            Segment.objects.filter(transcription=row, index=index).update(speaker=index, overlap=index == 1)
        Speaker.objects.bulk_create(Speaker.numbered(row, index) for index in (0, 1))
    return row


def test_speakers_are_listed_named_and_merged_by_who_has_seen_them(
    client: Client, alice: Character, row: Transcription
) -> None:
    key, address = bearer(alice), f"/api/v1/transcriptions/{row.id}/speakers"
    listed = send(client, "GET", address, key)
    assert [(one["speaker"], one["label"], one["seconds"]) for one in listed.json()["results"]] == [
        (0, "Speaker 1", 3.5),
        (1, "Speaker 2", 3.5),
    ]
    named = send(client, "PATCH", f"{address}/1", key | {"If-Match": listed["ETag"]}, {"name": "Dr. Li"})
    assert (named["ETag"], named.json()["results"][1]["name"]) == ('"1"', "Dr. Li")
    late = send(client, "PATCH", f"{address}/1", key | {"If-Match": listed["ETag"]}, {"name": "Somebody"})
    assert (late.status_code, late.json()["code"]) == (412, "stale")
    blind = send(client, "PATCH", f"{address}/1", key, {"name": "Somebody"})
    assert (blind.status_code, blind.json()["code"]) == (428, "precondition_required")
    merged = send(client, "POST", f"{address}/0/merge", key | {"If-Match": named["ETag"]}, {"into": 1})
    assert [(one["label"], one["segments"]) for one in merged.json()["results"]] == [("Dr. Li", 2)]
    history = send(client, "GET", f"/api/v1/transcriptions/{row.id}/revisions", key).json()["results"]
    assert [(one["action"], one["speakers"], one["names"]) for one in history] == [
        ("join", {"0": 0}, {}),
        ("rename", {}, {"1": ""}),
    ]
    reverted = send(
        client, "POST", f"/api/v1/transcriptions/{row.id}/revert", key | {"If-Match": '"2"'}, {"revision": 0}
    )
    assert [one["speaker"] for one in reverted.json()["segments"]] == [0, 1]


def test_segments_say_whose_they_are_and_take_it_back(client: Client, alice: Character, row: Transcription) -> None:
    key = bearer(alice) | {"If-Match": "*"}
    segments = send(client, "GET", f"/api/v1/transcriptions/{row.id}/segments", key).json()["segments"]
    assert [(one["speaker"], one["overlap"]) for one in segments] == [(0, False), (1, True)]
    again = send(client, "PUT", f"/api/v1/transcriptions/{row.id}/segments", key, {"segments": segments})
    assert (again.status_code, again.json()["segments"]) == (200, segments)
    address = f"/api/v1/transcriptions/{row.id}/speakers/assign"
    given = send(client, "POST", address, key, {"first": 0, "last": 0, "new": True})
    assert [one["speaker"] for one in given.json()["results"]] == [1, 2]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "9", {"name": "Ann"}, 404),
        ("PATCH", "0", {}, 400),
        ("PATCH", "0", {"name": 5}, 400),
        ("PATCH", "0", {"name": "x" * 81}, 400),
        ("POST", "0/merge", {"into": 9}, 400),
        ("POST", "assign", {"first": 0, "last": 9, "speaker": 0}, 404),
        ("POST", "assign", {"first": 0, "last": 0, "speaker": 9}, 400),
        ("POST", "assign", {"first": 0}, 400),
    ],
)
def test_nonsense_is_refused_with_a_reason(
    method: str, path: str, body: object, status: int, client: Client, alice: Character, row: Transcription
) -> None:
    address = f"/api/v1/transcriptions/{row.id}/speakers/{path}"
    answer = send(client, method, address, bearer(alice) | {"If-Match": "*"}, body)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_where_speakers_were_not_told_apart_there_are_none(client: Client, alice: Character) -> None:
    row = make_transcription(alice.tenant)
    key, address = bearer(alice) | {"If-Match": "*"}, f"/api/v1/transcriptions/{row.id}/speakers"
    assert send(client, "GET", address, key).json()["results"] == []
    refused = send(client, "POST", f"{address}/assign", key, {"first": 0, "last": 0, "new": True})
    assert (refused.status_code, refused.json()["param"]) == (400, "speaker")


def test_the_option_is_taken_and_answered(client: Client, alice: Character, row: Transcription) -> None:
    address = f"/api/v1/transcriptions/{row.id}"
    assert send(client, "GET", address, bearer(alice)).json()["speakers"] == "2"

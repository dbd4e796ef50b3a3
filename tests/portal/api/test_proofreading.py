"""Proofreading for programs."""

from __future__ import annotations

import pytest
from django.test import Client

from tenants import scope
from tenants.models import KeyScope
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.web.conftest import make_transcription
from transcription.models import Segment, Transcription

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(alice: Character) -> Transcription:
    row = make_transcription(alice.tenant, text="Good morning. There are <b>two</b> risks.")
    with scope.bound(alice.tenant.id):
        Segment.objects.filter(transcription=row, index=1).update(avg_logprob=-0.9)
    return row


def test_passages_are_listed_worst_first_and_leave_the_list_once_checked(
    client: Client, alice: Character, row: Transcription
) -> None:
    key, address = bearer(alice), f"/api/v1/transcriptions/{row.id}"
    listed = send(client, "GET", f"{address}/proofreading", key).json()
    assert [(one["segment"], one["doubts"]) for one in listed["passages"]] == [(1, ["unlikely"]), (0, [])]
    assert (listed["total"], listed["checked"]["words"], listed["checked"]["checked_words"]) == (2, 8, 0)
    worst = listed["passages"][0]
    late = send(client, "POST", f"{address}/segments/1/check", key | {"If-Match": '"1.7"'}, {})
    assert late.status_code == 412
    blind = send(client, "POST", f"{address}/segments/1/check", key, {})
    assert blind.status_code == 428
    done = send(client, "POST", f"{address}/segments/1/check", key | {"If-Match": worst["etag"]}, {})
    [check] = done.json()["checks"]
    assert (check["first"], check["last"], check["by"]) == (0, worst["last"], "A key to admin")
    left = send(client, "GET", f"{address}/proofreading?limit=1", key).json()
    assert [one["segment"] for one in left["passages"]] == [0]
    shown = send(client, "GET", address, key).json()
    assert 0 < shown["checked_share"] < 1
    again = send(client, "DELETE", f"{address}/segments/1/check", key | {"If-Match": "*"})
    assert again.json()["checks"] == []
    assert send(client, "GET", address, key).json()["checked_share"] == 0


def test_a_key_that_reads_marks_nothing_and_mallory_finds_nothing(
    client: Client, alice: Character, mallory: Character, row: Transcription
) -> None:
    address = f"/api/v1/transcriptions/{row.id}"
    reader = bearer(alice, KeyScope.READ) | {"If-Match": "*"}
    assert send(client, "GET", f"{address}/proofreading", reader).status_code == 200
    assert send(client, "POST", f"{address}/segments/0/check", reader, {}).status_code == 403
    theirs = bearer(mallory) | {"If-Match": "*"}
    assert send(client, "GET", f"{address}/proofreading", theirs).status_code == 404
    assert send(client, "POST", f"{address}/segments/0/check", theirs, {}).status_code == 404

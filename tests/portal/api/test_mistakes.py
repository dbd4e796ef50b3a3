"""What programs get wrong, and what they are told of it; and that what they read can be sent back."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tenants import scope
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.api.test_scopes import AGREED, address_of
from tests.portal.web.conftest import make_transcription
from transcription.models import Recording

pytestmark = pytest.mark.django_db
API = "/api/v1"
OF_TEXT = f"{API}/transcriptions/{{transcription}}"
OF_RECORDING = f"{API}/recordings/{{recording}}"


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", f"{OF_TEXT}/strikes", {"first": 0, "start": 20.0, "end": 21.0}, "start"),
        ("POST", f"{OF_TEXT}/rehearings", {"first": 0, "last": 0, "end": 21.0}, "end"),
        ("POST", f"{OF_TEXT}/speakers/assign", {"first": 0, "last": 0, "speaker": 0, "new": True}, "new"),
        ("POST", f"{OF_RECORDING}/comments", {"parent": "{comment}", "start": 1.0, "end": 2.0, "text": "x"}, "start"),
        ("PUT", f"{API}/folders/{{folder}}/retention", {"audio_days": 0}, "audio_days"),
        ("PUT", f"{API}/tags/{{tag}}/retention", {"text_days": 0}, "text_days"),
        ("GET", f"{API}/recordings?limit=0", None, "limit"),
        ("GET", f"{API}/uploads?limit=abc", None, "limit"),
        ("GET", f"{API}/folders?limit=201", None, "limit"),
        ("GET", f"{API}/uploads?cursor=abc", None, "cursor"),
    ],
)
def test_what_makes_no_sense_names_its_parameter(
    method: str, path: str, body: dict[str, Any] | None, param: str, alice: Character, client: Client
) -> None:
    row = make_transcription(alice.tenant, speakers="auto")
    if body and "parent" in body:
        body = body | {"parent": address_of("{comment}", row, alice)}
    answer = send(client, method, address_of(path, row, alice), bearer(alice) | AGREED, body)
    assert (answer.status_code, answer.json()["param"]) == (400, param)


def test_a_rule_is_sent_back_as_it_was_read(alice: Character, client: Client) -> None:
    key = bearer(alice)
    effects = {"options": {"languages": ["en", "de"]}}
    made = send(client, "POST", f"{API}/rules", key, {"name": "Calls", "effects": effects}).json()
    assert made["effects"]["options"] == {"languages": ["de", "en"]}
    again = send(client, "PATCH", f"{API}/rules/{made['id']}", key, {"effects": made["effects"]})
    assert again.json()["effects"] == made["effects"]


@pytest.mark.parametrize("noun", ["folders", "tags"])
def test_days_that_were_decided_can_be_read(noun: str, alice: Character, client: Client) -> None:
    key = bearer(alice)
    address = f"{API}/{noun}/{send(client, 'POST', f'{API}/{noun}', key, {'name': 'Board'}).json()['id']}"
    send(client, "PUT", f"{address}/retention", key, {"audio_days": 30})
    read = client.get(address, headers=key).json()
    assert (read["audio_days"], read["text_days"]) == (30, None)


def test_the_diarizing_model_tells_speakers_apart_here_too(alice: Character, client: Client) -> None:
    row = make_transcription(alice.tenant)
    address = f"{API}/recordings/{row.recording_id}/transcriptions"
    asked = {"model": "gpt-4o-transcribe-diarize"}
    assert send(client, "POST", address, bearer(alice), asked).json()["speakers"] == "auto"
    assert send(client, "POST", address, bearer(alice), asked | {"speakers": "off"}).json()["speakers"] == "off"


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("segments/shift", {"seconds": 0.1, "first": 1, "last": 0}, "from 0 to 1"),
        ("segments/1/merge", None, "Segment 1 is the last one"),
        ("segments/7/merge", None, "from 0 to 1"),
        ("revert", {"revision": 999}, "The newest is 0."),
        ("rehearings", {"first": 9, "last": 9}, "from 0 to 1"),
        ("strikes", {"first": 9}, "from 0 to 1"),
        ("speakers/assign", {"first": 0, "last": 9}, "from 0 to 1"),
    ],
)
def test_what_a_transcript_has_not_is_named_with_what_it_has(
    path: str, body: dict[str, Any] | None, told: str, alice: Character, client: Client
) -> None:
    row = make_transcription(alice.tenant, speakers="auto")
    answer = send(client, "POST", f"{API}/transcriptions/{row.id}/{path}", bearer(alice) | AGREED, body)
    assert (answer.status_code, told in answer.json()["detail"]) == (404, True), answer.json()


def test_the_bin_takes_and_gives_back_twice(alice: Character, client: Client) -> None:
    key, row = bearer(alice), make_transcription(alice.tenant)
    address = f"{API}/recordings/{row.recording_id}/bin"
    first, second = (send(client, "PUT", address, key) for _time in range(2))
    assert (first.status_code, second.status_code, second.json()) == (200, 200, first.json())
    first, second = (send(client, "DELETE", address, key) for _time in range(2))
    assert (first.status_code, second.status_code, second.json()) == (200, 200, first.json())


def test_a_key_that_resolves_a_thread_is_named_as_one_that_comments(alice: Character, client: Client) -> None:
    key, row = bearer(alice), make_transcription(alice.tenant)
    address = address_of(f"{OF_RECORDING}/comments/{{comment}}", row, alice)
    answer = send(client, "PATCH", address, key, {"resolved": True})
    assert answer.json()["resolved_by"] == "A key to admin"


def test_a_mistyped_filter_is_named_and_no_id_is_refused(alice: Character, client: Client) -> None:
    key = bearer(alice)
    mistyped = client.get(f"{API}/recordings?statuss=failed&limit=1", headers=key)
    assert (mistyped.status_code, mistyped["X-Ignored-Parameters"]) == (200, "statuss")
    for name, value in (("folder", "nope"), ("key", "abc")):
        refused = client.get(f"{API}/recordings?{name}={value}", headers=key)
        assert (refused.status_code, refused.json()["param"]) == (400, name)
    assert client.get(f"{API}/recordings?folder=none", headers=key).status_code == 200


def test_what_stood_there_and_how_long_it_is_are_told_as_elsewhere(alice: Character, client: Client) -> None:
    key, row = bearer(alice) | AGREED, make_transcription(alice.tenant)
    with scope.bound(alice.tenant.id):
        Recording.objects.filter(id=row.recording_id).update(duration_seconds=46.96698412698413)
    assert client.get(f"{API}/recordings/{row.recording_id}", headers=key).json()["duration_seconds"] == 46.967
    address = f"{API}/transcriptions/{row.id}"
    send(client, "PATCH", f"{address}/segments/0", key, {"text": "Good evening."})
    send(client, "PATCH", f"{address}/segments/0", key, {"text": "Good night."})
    [newest, _first] = client.get(f"{address}/revisions", headers=key).json()["results"]
    assert newest["before"][0]["text"] == "Good evening."

"""What scripts of a transcript's page are told when their request can't be met: a status, and a sentence to show."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from tenants import scope
from tenants.models import Tenant
from tests.portal.web.conftest import Make, make_rehearing
from transcription.models import Status, Transcription

UNCORRECTABLE = "The text can’t be corrected any more. Reload the page."
CHANGED = "Somebody else changed the transcript meanwhile. It is shown as it is now: look, then try again."
NO_INTEGER = "“first” must be an integer."
NONE = UUID(int=0)

WORDS = {"first": 0, "position": 0, "last": 0}
WRITING: list[tuple[str, dict[str, Any], str]] = [
    ("transcriptions/{row}/segments/0/", {"text": "Good evening.", "etag": "0.0"}, UNCORRECTABLE),
    ("transcriptions/{row}/segments/0/remove/", {"etag": "0.0"}, UNCORRECTABLE),
    ("transcriptions/{row}/strikes/", WORDS | {"etag": "0"}, UNCORRECTABLE),
    ("transcriptions/{row}/substitute/", {"find": "o", "replacement": "a", "etag": "0"}, UNCORRECTABLE),
    ("transcriptions/{row}/walk/", {"do": "check", "index": 0, "first": 0, "last": 4, "etag": "0.0"}, UNCORRECTABLE),
    ("transcriptions/{row}/rehearings/", {"first": 0, "last": 0}, UNCORRECTABLE),
    (
        "transcriptions/{row}/speakers/",
        {"do": "assign", "first": 0, "last": 0, "into": "new", "etag": "0"},
        "The speakers can’t be changed any more. Reload the page.",
    ),
    (
        "transcriptions/{row}/rehearings/{heard}/",
        {"do": "take", "etag": "0"},
        "This text can’t be taken any more. Hear the lines again.",
    ),
    ("transcriptions/{row}/beside/", {}, "There is no text to translate. Reload the page."),
    ("transcriptions/{row}/videos/", {"kind": "burnt"}, "The text is not there any more. Reload the page."),
]
READING = ["segments/0/", "speakers/", "walk/", "rehearings/{heard}/", "beside/", "cues/", "lines/", "history/"]


@pytest.fixture
def row(acme: Tenant, make: Make) -> Transcription:
    return make(acme, text="Good morning. There are <b>two</b> risks.")


def post(client: Client, address: str, body: dict[str, Any]) -> tuple[int, Any]:
    answer = client.post(f"/{address}", body, "application/json", headers={"X-Requested-With": "XMLHttpRequest"})
    return answer.status_code, answer.json()


def told(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}


@pytest.mark.parametrize("gone", [{"text_deleted_at": timezone.now()}, {"status": Status.RUNNING, "finished_at": None}])
def test_a_text_that_is_not_there_is_neither_shown_nor_changed(
    gone: dict[str, Any], as_alice: Client, row: Transcription
) -> None:
    heard = make_rehearing(row)
    with scope.bound(row.tenant_id):
        Transcription.objects.filter(id=row.id).update(**gone)
    for address, body, message in WRITING:
        found = post(as_alice, address.format(row=row.id, heard=heard.id), body)
        assert found == (409, told(message)), address
    for address in READING:
        path = f"/transcriptions/{row.id}/{address.format(heard=heard.id)}"
        assert as_alice.get(path).status_code == 404, address


def test_a_text_that_differs_from_what_was_shown_is_not_changed(as_alice: Client, row: Transcription) -> None:
    base = f"transcriptions/{row.id}"
    assert post(as_alice, f"{base}/strikes/", WORDS | {"etag": "7"}) == (412, told(CHANGED))
    assert post(as_alice, f"{base}/segments/0/remove/", {}) == (412, told(CHANGED))
    again = "Somebody else changed the transcript meanwhile. Look at the passage again."
    check = {"do": "check", "index": 0, "first": 0, "last": 4, "etag": "7"}
    assert post(as_alice, f"{base}/walk/", check) == (412, told(again))


@pytest.mark.parametrize("address", ["strikes/", "segments/shift/", "rehearings/"])
def test_what_is_wrong_says_which_field(address: str, as_alice: Client, row: Transcription) -> None:
    assert post(as_alice, f"transcriptions/{row.id}/{address}", {"first": "0"}) == (400, told(NO_INTEGER))


def test_comments_say_why_not(as_alice: Client, row: Transcription) -> None:
    comments = f"recordings/{row.recording_id}/comments/"
    assert post(as_alice, f"{comments}{NONE}/", {"do": "sing"}) == (400, told("Choose what to do."))
    gone = "Somebody deleted this comment meanwhile."
    assert post(as_alice, f"{comments}{NONE}/", {"do": "resolve"}) == (404, told(gone))
    words = WORDS | {"transcription": str(row.id), "text": "Hm"}
    with scope.bound(row.tenant_id):
        Transcription.objects.filter(id=row.id).update(status=Status.RUNNING, finished_at=None)
    assert post(as_alice, comments, words) == (409, told(UNCORRECTABLE))
    with scope.bound(row.tenant_id):
        Transcription.objects.filter(id=row.id).update(status=Status.COMPLETED, text_deleted_at=timezone.now())
    status, body = post(as_alice, comments, words)
    assert (status, list(body["error"])) == (410, ["message"])

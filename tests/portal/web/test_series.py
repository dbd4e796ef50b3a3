"""The page on which text is found and replaced in many recordings."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from portal.web.forms import FilterForm
from tenants import scope
from tenants.models import ApiKey, Tenant
from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription.library import tags
from transcription.models import Segment, Transcription
from transcription.transcripts import series, terms

PAGE = "/recordings/substitutions/"


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is slow."""
    monkeypatch.setattr(series, "SECONDS", 60.0)


@pytest.fixture
def rows(acme: Tenant, make: Make) -> list[Transcription]:
    return [make(acme, name, text="Good morning. There are <b>two</b> risks.") for name in ("One.mp3", "Two.mp3")]


def send(client: Client, path: str, **body: Any) -> Any:
    return client.post(f"{PAGE}{path}", body, "application/json")


def first_lines(tenant: Tenant) -> list[str]:
    with scope.bound(tenant.id):
        return sorted(one.text.strip() for one in Segment.objects.filter(index=0))


def test_what_the_library_shows_is_looked_through_replaced_and_undone(
    as_alice: Client, acme: Tenant, rows: list[Transcription]
) -> None:
    assert f'formaction="{PAGE}"' in as_alice.get("/recordings/").content.decode()
    page = as_alice.get(f"{PAGE}?search=Two&checked=to_check&by=people").content.decode()
    assert 'value="Two"' in page
    assert '<option value="to_check" selected>' in page
    seen = send(as_alice, "hits/", find="morning", replacement="evening", filters={"search": "Two"}).json()
    [found] = seen["found"]
    assert (found["name"], found["url"], found["total"]) == ("Two.mp3", f"/recordings/{rows[1].recording_id}/", 1)
    assert [(hit["before"], hit["found"], hit["replacement"]) for hit in found["hits"]] == [
        ("Good ", "morning", "evening")
    ]
    assert (seen["looked"], seen["total"], seen["cursor"]) == (1, 1, None)
    wanted = [{"transcription": found["transcription"], "revision": found["revision"], "skip": []}]
    search = {"find": "morning", "replacement": "evening", "series": seen["series"]}
    done = send(as_alice, "replace/", **search, transcripts=wanted).json()
    assert done == {"results": [{"transcription": found["transcription"], "outcome": "replaced"}]}
    assert first_lines(acme) == ["Good evening.", "Good morning."]
    assert f'data-undo="{seen["series"]}"' in as_alice.get(PAGE).content.decode()
    undone = as_alice.post(f"/series/{seen['series']}/undo/").json()
    assert undone == {"undone": 1, "left": 0}
    assert first_lines(acme) == ["Good morning."] * 2
    assert "undone: 1" in as_alice.get(PAGE).content.decode()


def test_no_filter_of_the_library_is_lost_on_the_way(as_alice: Client, alice: Character) -> None:
    """Or text would be replaced in recordings that the library doesn't show."""
    with scope.bound(alice.tenant.id):
        key = str(ApiKey.objects.get(name__contains="alice").id)
    values = {
        "search": "x",
        "status": "completed",
        "checked": "checked",
        "source": "upload",
        "favourite": "1",
        "held": "1",
        "key": key,
    }
    for by, others in (("people", {"key"}), ("programs", {"owner", "source"})):
        fields = FilterForm.base_fields.keys() - {"order", "by", *others}
        query = {name: values.get(name, f"{name}@acme.example") for name in fields} | {"by": by}
        page = unescape(as_alice.get(PAGE, query).content.decode())
        for name in fields - {"status", "checked"}:
            assert re.search(rf'name="{name}" data-filter value="{re.escape(query[name])}"', page), name
        for value in (by, "completed", "checked"):
            assert f'<option value="{value}" selected>' in page
        assert "Only these, as in the library:" in page
    assert "Only these" not in as_alice.get(f"{PAGE}?by=all").content.decode()


def test_a_filter_that_is_not_known_is_refused(as_alice: Client, alice: Character, rows: list[Transcription]) -> None:
    """The list passes over it: here text would be replaced everywhere."""
    with scope.bound(alice.tenant.id):
        tags.put(alice.actor, rows[0].recording_id, "Board")
    seen = send(as_alice, "hits/", find="morning", filters={"tag": "board"}).json()
    assert [one["name"] for one in seen["found"]] == ["One.mp3"]
    for unknown in ({"status": "lost"}, {"tag": "\ud800x"}, {"key": "x" * 99}):
        assert send(as_alice, "hits/", find="morning", filters=unknown).status_code == 400


def test_terms_are_looked_for_in_old_transcripts(
    as_alice: Client, alice: Character, acme: Tenant, rows: list[Transcription]
) -> None:
    with scope.bound(acme.id):
        terms.create(alice.actor, "Gut", ["good"])
    assert f'href="{PAGE}?terms=1&amp;by=all"' in as_alice.get("/terms/").content.decode()
    page = unescape(as_alice.get(f"{PAGE}?terms=1").content.decode())
    assert "Terms in old transcripts" in page
    assert 'name="find"' not in page
    seen = send(as_alice, "hits/", terms=True, bare=True).json()
    assert [(one["total"], one["hits"]) for one in seen["found"]] == [(1, [])] * 2
    wanted = [{"transcription": one["transcription"], "revision": 0} for one in seen["found"]]
    body = {"series": seen["series"], "transcripts": wanted}
    assert send(as_alice, "replace/", terms="something else", **body).status_code == 400
    assert send(as_alice, "replace/", terms=seen["terms"], **body).status_code == 200
    assert first_lines(acme) == ["Gut morning."] * 2


def test_nonsense_is_refused(as_alice: Client, rows: list[Transcription]) -> None:
    good: dict[str, Any] = {
        "find": "o",
        "series": str(uuid4()),
        "transcripts": [{"transcription": str(rows[0].id), "revision": 0}],
    }
    wrong: list[dict[str, Any]] = [
        {"find": ""},
        {"series": "x"},
        {"transcripts": []},
        {"transcripts": [1]},
        {"transcripts": "x"},
        {"transcripts": good["transcripts"] * 101},
        {"transcripts": [{"transcription": "x", "revision": 0}]},
        {"transcripts": [{"transcription": str(rows[0].id), "revision": "0"}]},
    ]
    for bad in wrong:
        assert send(as_alice, "replace/", **good | bad).status_code == 400, bad
    assert send(as_alice, "hits/", find="o", filters=[1]).status_code == 200
    for cursor in ("x", "eA==", "é"):
        assert send(as_alice, "hits/", find="o", cursor=cursor).status_code == 404

"""Programs find and replace in many transcripts."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tenants import scope
from tests.conftest import Character
from tests.portal.api.characters import bearer
from tests.portal.web.conftest import make_transcription
from transcription.models import Segment, Transcription
from transcription.transcripts import series, terms

pytestmark = pytest.mark.django_db
API = "/api/v1"


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is slow."""
    monkeypatch.setattr(series, "SECONDS", 60.0)


@pytest.fixture
def rows(alice: Character) -> list[Transcription]:
    spoken = "Good morning. There are <b>two</b> risks."
    return [make_transcription(alice.tenant, name, text=spoken) for name in ("One.mp3", "Two.mp3")]


@pytest.fixture
def program(alice: Character) -> Client:
    return Client(headers=bearer(alice))


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(f"{API}/{path}", body, "application/json")


def first_lines(alice: Character) -> list[str]:
    with scope.bound(alice.tenant.id):
        return [one.text.strip() for one in Segment.objects.filter(index=0).order_by("transcription__created_at")]


def test_a_program_looks_replaces_and_undoes(program: Client, alice: Character, rows: list[Transcription]) -> None:
    search = {"find": "Good", "replacement": "Fine", "match_case": "true", "whole_words": "true"}
    seen = program.get(f"{API}/substitutions/hits", search | {"created_after": "2020-01-01T00:00:00Z"}).json()
    assert (seen["looked"], seen["next"], seen["terms"]) == (2, None, None)
    assert [one["recording"]["name"] for one in seen["results"]] == ["Two.mp3", "One.mp3"]
    hit = {"segment": 0, "position": 0, "start": 0.0, "before": "", "found": "Good", "after": " morning."}
    assert seen["results"][0]["results"] == [hit | {"replacement": "Fine"}]
    wanted = [{"transcription": one["transcription"], "revision": one["revision"]} for one in seen["results"]]
    wanted[0]["skip"] = [{"segment": 0, "position": 0}]
    done = post(program, "substitutions", find="Good", replacement="Fine", match_case=True, transcripts=wanted).json()
    assert [one["outcome"] for one in done["results"]] == ["unchanged", "replaced"]
    assert first_lines(alice) == ["Fine morning.", "Good morning."]
    [listed] = program.get(f"{API}/series").json()["results"]
    assert listed["id"] == done["series"]
    assert (listed["action"], listed["transcripts"], listed["undone"], listed["undoable"]) == ("substitute", 1, 0, 1)
    assert listed["made_by"]
    assert post(program, f"series/{done['series']}/undo").json() == {"undone": 1, "left": 0}
    assert first_lines(alice) == ["Good morning."] * 2


def test_a_program_replaces_terms(program: Client, alice: Character, rows: list[Transcription]) -> None:
    with scope.bound(alice.tenant.id):
        terms.create(alice.actor, "Gut", ["good"])
    seen = program.get(f"{API}/substitutions/hits", {"terms": "true", "limit": "0", "search": "Two"}).json()
    assert [(one["total"], one["results"]) for one in seen["results"]] == [(1, [])]
    wanted = [{"transcription": str(rows[1].id), "revision": 0}]
    late = post(program, "substitutions", terms="x", transcripts=wanted)
    assert (late.status_code, late.json()["param"]) == (400, "terms")
    assert post(program, "substitutions", terms=seen["terms"], transcripts=wanted).status_code == 200
    assert first_lines(alice) == ["Good morning.", "Gut morning."]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "transcripts"),
        ({"transcripts": []}, "transcripts"),
        ({"find": ""}, "find"),
        ({"terms": "x"}, "find"),
        ({"series": "x"}, "series"),
        ({"transcripts": [{"transcription": "x", "revision": 0}]}, "transcripts[0].transcription"),
    ],
)
def test_nonsense_is_refused_by_name(
    body: dict[str, Any], param: str, program: Client, rows: list[Transcription]
) -> None:
    good = {"find": "o", "transcripts": [{"transcription": str(rows[0].id), "revision": 0}]}
    answer = post(program, "substitutions", **(good | body if body else {"find": "o"}))
    assert (answer.status_code, answer.json()["param"]) == (400, param)
    assert program.get(f"{API}/substitutions/hits", {"find": "o", "terms": "true"}).status_code == 400
    assert program.get(f"{API}/substitutions/hits", {"find": "o", "cursor": "x"}).status_code == 400

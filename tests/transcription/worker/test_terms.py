"""A completed transcription is written with the tenant's terms, as one revision that can be undone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.transcription.characters import submit
from tests.transcription.finishing import VERSION, serve
from transcription.engine.types import DecodeOptions, Segment, Window, WindowResult
from transcription.folders import folders
from transcription.intake import accept
from transcription.library import moving, recordings
from transcription.models import Status, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.queue import claims
from transcription.transcripts import terms
from transcription.worker import job

# Committed, so that the watchdog, which looks from another connection, sees the claim.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("within")]
HEARD, WRITTEN = "Cubernetis runs.", "Kubernetes runs."


class Engine:
    """Hears the same in each window."""

    def decode(self, windows: Iterable[Window], options: DecodeOptions, **_more: object) -> Iterator[WindowResult]:
        for window in windows:
            segment = Segment(window.start, window.end, f" {HEARD}", (1,), 0.0, -0.1, 1.0, 0.0, 0)
            yield WindowResult(window.index, window.start, window.end, "en", 1.0, (segment,), VERSION)


def work(row: Transcription, monkeypatch: pytest.MonkeyPatch) -> Transcription:
    monkeypatch.setattr(job, "EngineClient", lambda _address, request_id: Engine())
    claim = claims.claim("host/1")
    assert claim is not None
    job.run_attempt(claim)
    row.refresh_from_db()
    return row


def text(client: Client, row: Transcription, alice: Character) -> str:
    answer = send(client, "GET", f"/api/v1/transcriptions/{row.id}/transcript.txt", bearer(alice))
    return b"".join(answer).decode().strip()


def revisions(client: Client, row: Transcription, alice: Character) -> list[Any]:
    listed = send(client, "GET", f"/api/v1/transcriptions/{row.id}/revisions", bearer(alice)).json()["results"]
    return [(one["action"], one["made_by"]) for one in listed]


def test_spellings_are_replaced_when_the_text_is_complete_and_can_be_undone(
    alice: Character, mallory: Character, fox: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    term = terms.create(alice.actor, "Kubernetes", ["cubernetis"])
    done = work(submit(alice.actor, fox), monkeypatch)
    assert (done.status, done.text, text(client, done, alice)) == (Status.COMPLETED, WRITTEN, WRITTEN)
    assert revisions(client, done, alice) == [("terms", None)]
    back = send(
        client,
        "POST",
        f"/api/v1/transcriptions/{done.id}/revert",
        bearer(alice) | {"If-Match": "*"},
        {"revision": 0},
    )
    assert back.status_code == 200
    assert text(client, done, alice) == HEARD
    terms.change(alice.actor, term.id, {"is_active": False})
    assert send(client, "GET", f"/api/v1/terms/{term.id}", bearer(mallory)).status_code == 404
    assert send(client, "GET", "/api/v1/terms", bearer(mallory)).json() == {"results": []}


def test_a_text_that_is_reused_is_written_with_the_terms_of_now(
    alice: Character, fox: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve()
    done = work(submit(alice.actor, fox), monkeypatch)
    assert (text(client, done, alice), revisions(client, done, alice)) == (HEARD, [])
    terms.create(alice.actor, "Kubernetes", ["cubernetis"])
    again = submit(alice.actor, fox)
    assert (again.is_reused, again.text, text(client, again, alice)) == (True, WRITTEN, WRITTEN)
    assert text(client, done, alice) == HEARD


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"text": "kubernetes"}, "text"),
        ({"text": "Cubernetis"}, "text"),
        ({"text": "x"}, "text"),
        ({"text": "x" * 61}, "text"),
        ({"text": "Other", "spellings": ["CUBERNETIS"]}, "spellings"),
        ({"text": "Other", "spellings": ["Kubernetes"]}, "spellings"),
        ({"text": "Other", "spellings": [f"other {n}" for n in range(11)]}, "spellings"),
        ({"text": "Other", "note": "x" * 201}, "note"),
    ],
)
def test_a_term_is_unique_and_bounded(body: dict[str, Any], param: str, alice: Character, client: Client) -> None:
    first = send(client, "POST", "/api/v1/terms", bearer(alice), {"text": "Kubernetes", "spellings": ["cubernetis"]})
    answer = send(client, "POST", "/api/v1/terms", bearer(alice), body)
    assert (answer.status_code, answer.json()["param"]) == (400, param)
    assert send(client, "GET", "/api/v1/terms", bearer(alice)).json() == {"results": [first.json()]}


def test_a_folder_s_terms_are_written_before_the_organisation_s_and_moving_changes_no_text(
    alice: Character, fox: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms.create(alice.actor, "Kubernetes", ["cubernetis"])
    made = [folders.create(alice.actor, name) for name in ("Cubes", "Plain")]
    body = {"text": "Cubernetis", "folder": str(made[0].id)}
    there = send(client, "POST", "/api/v1/terms", bearer(alice), body)
    assert (there.status_code, there.json()["folder"]) == (201, str(made[0].id))
    listed = send(client, "GET", f"/api/v1/terms?folder={made[0].id}", bearer(alice)).json()["results"]
    assert listed == [there.json()]
    nowhere = send(client, "GET", f"/api/v1/terms?folder={uuid4()}", bearer(alice))
    assert (nowhere.status_code, nowhere.json()["param"]) == (400, "folder")
    done = [work(submit(alice.actor, fox, folder=folder), monkeypatch) for folder in (*made, None)]
    assert [text(client, row, alice) for row in done] == [HEARD, WRITTEN, WRITTEN]
    moving.move(alice.actor, done[0].recording_id, None)
    assert text(client, done[0], alice) == HEARD
    found = "/api/v1/substitutions/hits?terms=true"
    hits = send(client, "GET", found, bearer(alice)).json()
    assert [one["transcription"] for one in hits["results"]] == [str(done[0].id)]
    terms.create(alice.actor, "K8s", ["Kubernetes"], folder=made[1])
    [hit] = send(client, "GET", f"{found}&folder={made[1].id}", bearer(alice)).json()["results"]
    assert (hit["transcription"], hit["results"][0]["replacement"]) == (str(done[1].id), "K8s")


def test_a_text_that_is_reused_is_written_with_the_terms_of_where_it_is_put(
    alice: Character, fox: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve()
    work(submit(alice.actor, fox), monkeypatch)
    folder = folders.create(alice.actor, "Cubes")
    terms.create(alice.actor, "Kubernetes", ["cubernetis"], folder=folder)
    there, elsewhere = submit(alice.actor, fox, folder=folder), submit(alice.actor, fox)
    assert [(row.is_reused, text(client, row, alice)) for row in (there, elsewhere)] == [(True, WRITTEN), (True, HEARD)]
    moving.move(alice.actor, elsewhere.recording_id, folder)
    again = accept.transcribe_again(
        alice.actor, recordings.recording(alice.actor, elsewhere.recording_id), TranscriptionOptions.checked()
    )
    assert text(client, again, alice) == HEARD  # it is that recording's own


def test_a_loop_that_would_become_too_long_stays_and_holds_nothing_up(
    alice: Character, fox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.transcription.worker.test_terms.HEARD", "kb " * 200)
    terms.create(alice.actor, "Kubernetes for everybody who reads this line to its very end", ["kb"])
    done = work(submit(alice.actor, fox), monkeypatch)
    assert (done.status, done.text) == (Status.COMPLETED, ("kb " * 200).strip())

"""Single transcriptions for programs: looked at, cancelled, asked for again."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tenants import scope
from tenants.models import Tenant
from tests.conftest import Character
from tests.portal.web.conftest import make_transcription as make
from transcription.models import Recording, Status, Transcription

pytestmark = pytest.mark.django_db


class Program:
    """Speaks JSON with a character's key."""

    def __init__(self, character: Character) -> None:
        self._client = Client(headers=character.bearer)

    def get(self, path: str) -> Any:
        return self._client.get(f"/api/v1/{path}")

    def post(self, path: str, body: object = None, key: str = "") -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        return self._client.post(f"/api/v1/{path}", body or {}, content_type="application/json", headers=headers)


@pytest.fixture
def program(alice: Character) -> Program:
    return Program(alice)


def code(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def count(tenant: Tenant) -> int:
    with scope.bound(tenant.id):
        return Transcription.objects.count()


def test_a_transcription_is_shown_with_its_text(program: Program, acme: Tenant) -> None:
    row = make(acme)
    body = program.get(f"transcriptions/{row.id}").json()
    assert (body["id"], body["recording"], body["status"]) == (str(row.id), str(row.recording_id), "completed")
    assert (body["reused"], body["reused_from"], body["text_deleted_at"]) == (False, None, None)
    assert program.get(body["transcripts"]["txt"].removeprefix("/api/v1/")).content.startswith(b"Good morning.")


def test_reused_ones_say_so(program: Program, acme: Tenant) -> None:
    first = make(acme)
    body = program.get(f"transcriptions/{make(acme, is_reused=True, reused_from=first).id}").json()
    assert (body["reused"], body["reused_from"]) == (True, str(first.id))


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
def test_what_waits_or_runs_is_cancelled_once(status: str, program: Program, acme: Tenant) -> None:
    row = make(acme, status=status)
    answer = program.post(f"transcriptions/{row.id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert code(program.post(f"transcriptions/{row.id}/cancel")) == (409, "already_over")


def test_a_finished_one_is_not_cancelled(program: Program, acme: Tenant) -> None:
    assert code(program.post(f"transcriptions/{make(acme).id}/cancel")) == (409, "already_over")


def test_a_recording_is_transcribed_again_with_other_options(program: Program, acme: Tenant) -> None:
    row = make(acme)
    answer = program.post(f"recordings/{row.recording_id}/transcriptions", {"task": "translate", "temperature": 0.5})
    assert answer.status_code == HTTPStatus.CREATED
    body = answer.json()
    assert answer.headers["Location"] == f"/api/v1/transcriptions/{body['id']}"
    assert (body["task"], body["status"], body["recording"]) == ("translate", "queued", str(row.recording_id))
    assert program.get(f"recordings/{row.recording_id}").json()["transcription"]["id"] == body["id"]


def test_every_option_of_another_transcription_is_shown(program: Program, acme: Tenant) -> None:
    asked = {"mode": "fast", "hotwords": "Acme, Fox", "beam_size": 4, "word_timestamps": True}
    asked |= {"languages": ["de", "pl"]}
    body = program.post(f"recordings/{make(acme).recording_id}/transcriptions", asked).json()
    assert {name: body[name] for name in asked} == asked
    shown = program.get(f"transcriptions/{body['id']}").json()
    assert {name: shown[name] for name in asked} == asked


def test_the_languages_that_were_heard_are_shown_with_their_shares(program: Program, acme: Tenant) -> None:
    row = make(acme)
    with scope.bound(acme.id):
        Transcription.objects.filter(id=row.id).update(heard_languages={"en": 10.0, "zh": 30.0})
    found = [{"language": "zh", "share": 0.75}, {"language": "en", "share": 0.25}]
    assert program.get(f"transcriptions/{row.id}").json()["languages_found"] == found


def test_the_tenants_own_names_and_mode_are_shown_too(program: Program, acme: Tenant) -> None:
    Tenant.objects.filter(id=acme.id).update(hotwords="Renard", default_mode="exact")
    body = program.post(f"recordings/{make(acme).recording_id}/transcriptions", {"hotwords": "Fox"}).json()
    assert (body["hotwords"], body["mode"]) == ("Renard, Fox", "exact")


def test_again_under_a_key_is_one_transcription(program: Program, acme: Tenant) -> None:
    path = f"recordings/{make(acme).recording_id}/transcriptions"
    first, second = (program.post(path, {"language": "en"}, key="abc") for _ in range(2))
    assert (second.status_code, second.json()["id"]) == (201, first.json()["id"])
    assert (first.headers.get("Idempotency-Replayed"), second.headers["Idempotency-Replayed"]) == (None, "true")
    assert code(program.post(path, {"language": "fr"}, key="abc")) == (422, "idempotency_key_reused")
    assert code(program.post(path, key="two words")) == (400, "invalid_value")
    assert count(acme) == 2


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"language": "klingon"}, "language"),
        ({"language": 5}, "language"),
        ({"language": "yue"}, "language"),
        ({"languages": ["de", "yue"]}, "languages"),
        ({"languages": "de"}, "languages"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": 10**400}, "temperature"),
        ({"prompt": ["x"]}, "prompt"),
        ({"prompt": "half a \ud800"}, "prompt"),
        ({"model": "\ud800"}, "model"),
        ({"mode": "slow"}, "mode"),
        ({"hotwords": ["x"]}, "hotwords"),
        ({"hotwords": "x" * 2001}, "hotwords"),
        ({"beam_size": 0}, "beam_size"),
        ({"beam_size": True}, "beam_size"),
        ({"word_timestamps": "true"}, "word_timestamps"),
        ({"langauge": "en"}, "langauge"),
        ({"half a \ud800": 1}, "half a ?"),
        (["en"], "body"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_options_that_make_no_sense_are_named(body: object, param: str, program: Program, acme: Tenant) -> None:
    answer = program.post(f"recordings/{make(acme).recording_id}/transcriptions", body)
    assert (answer.status_code, answer.json()["param"]) == (400, param)
    assert count(acme) == 1


def test_nothing_and_null_ask_for_the_default(program: Program, acme: Tenant) -> None:
    path = f"recordings/{make(acme).recording_id}/transcriptions"
    names = ("model", "task", "language", "prompt", "temperature", "word_timestamps", "mode", "hotwords", "beam_size")
    left_out, null = program.post(path).json(), program.post(path, dict.fromkeys(names)).json()
    shown = names[:3] + names[5:]
    assert [left_out[name] for name in shown] == [null[name] for name in shown]
    assert (null["task"], null["beam_size"], null["mode"]) == ("transcribe", 1, "auto")


def test_the_transcriptions_of_a_recording_are_listed_newest_first_and_paged(program: Program, acme: Tenant) -> None:
    row = make(acme)
    make(acme, "Another recording.mp3")
    path = f"recordings/{row.recording_id}/transcriptions"
    made = [str(row.id), *(program.post(path, {"prompt": str(number)}).json()["id"] for number in range(3))]
    first = program.get(f"{path}?limit=3").json()
    second = program.get(first["next"].partition("/api/v1/")[2]).json()
    assert [len(first["results"]), second["next"]] == [3, None]
    assert [one["id"] for one in first["results"] + second["results"]] == made[::-1]
    assert second["results"][0] == program.get(f"transcriptions/{row.id}").json()
    assert program.get(f"{path}?cursor=nonsense").json()["param"] == "cursor"


def test_mallory_finds_what_an_unknown_id_gives(mallory: Character, acme: Tenant) -> None:
    row, unknown = make(acme, status=Status.QUEUED, hotwords="Project Renard"), "00000000-0000-4000-8000-000000000000"
    program = Program(mallory)
    for path, own in (
        ("transcriptions/{}/cancel", row.id),
        ("transcriptions/{}/retry", row.id),
        ("recordings/{}/transcriptions", row.recording_id),
    ):
        assert program.post(path.format(own)).json() == program.post(path.format(unknown)).json()
        assert program.post(path.format(own)).status_code == 404
    for path in ("transcriptions/{}", "transcriptions/{}/transcript.txt"):
        assert program.get(path.format(row.id)).json() == program.get(path.format(unknown)).json()
        assert program.get(path.format(row.id)).status_code == 404
    assert b"Renard" not in program.get("recordings").content
    assert count(acme) == 1


def test_deleted_audio_and_text_are_gone_and_say_why(program: Program, acme: Tenant) -> None:
    row = make(acme, text_deleted_at=timezone.now())
    Tenant.objects.update(audio_retention_days=30)
    with scope.bound(acme.id):
        Recording.objects.update(audio_deleted_at=timezone.now())
    body = program.get(f"recordings/{row.recording_id}").json()
    assert body["audio_deleted_at"]
    assert body["transcription"]["text_deleted_at"]
    assert body["transcription"]["transcripts"] is None
    assert code(program.get(f"transcriptions/{row.id}/transcript.srt")) == (410, "text_deleted")
    assert code(program.get(f"recordings/{row.recording_id}/transcript.srt")) == (410, "text_deleted")
    answer = program.post(f"recordings/{row.recording_id}/transcriptions")
    assert code(answer) == (410, "audio_deleted")
    assert "keeps audio for 30 days" in answer.json()["detail"]


def test_a_transcript_that_is_not_there_yet_is_a_conflict(program: Program, acme: Tenant) -> None:
    row = make(acme, status=Status.RUNNING)
    assert code(program.get(f"transcriptions/{row.id}/transcript.txt")) == (409, "not_completed")
    assert program.get(f"transcriptions/{row.id}/transcript.exe").status_code == 404

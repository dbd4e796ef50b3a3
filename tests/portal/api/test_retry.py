"""What failed or was cancelled is transcribed once more, under what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from tenants import quota, scope
from tenants.models import Tenant
from tests.conftest import Character
from tests.portal.api.test_transcriptions import Program, code, count
from tests.portal.web.conftest import make_transcription as make
from transcription.library import retention
from transcription.models import Recording, Status, Transcription
from transcription.options import offered_models

pytestmark = pytest.mark.django_db
ASKED: dict[str, Any] = {
    "task": "translate", "language": "fr", "prompt": "Unheard of.", "temperature": 0.5, "word_timestamps": True,
    "mode": "fast", "hotwords": "Acme, Fox", "beam_size": 4,
}  # fmt: skip
OVER = [Status.FAILED, Status.CANCELLED]


@pytest.fixture
def program(alice: Character) -> Program:
    return Program(alice)


@pytest.fixture
def two_models(settings: LazySettings) -> Iterator[None]:
    """A large one by default, and a small one."""
    settings.WHISPER_MODELS = ["base", "tiny"]
    offered_models.offered_models.cache_clear()
    yield
    offered_models.offered_models.cache_clear()


def retried(program: Program, row: Transcription) -> Transcription:
    answer = program.post(f"transcriptions/{row.id}/retry")
    assert answer.status_code == 201, answer.content
    with scope.bound(row.tenant_id):
        return Transcription.objects.get(id=answer.json()["id"])


def last_seconds(row: Transcription, seconds: float) -> None:
    with scope.bound(row.tenant_id):
        Recording.objects.filter(id=row.recording_id).update(duration_seconds=seconds)


@pytest.mark.parametrize("status", OVER)
def test_what_ended_without_text_is_transcribed_again_under_every_option(
    status: str, program: Program, acme: Tenant
) -> None:
    row = make(acme, status=status, **ASKED)
    answer = program.post(f"transcriptions/{row.id}/retry")
    body = answer.json()
    assert (answer.status_code, body["status"], body["recording"]) == (201, "queued", str(row.recording_id))
    assert answer.headers["Location"] == f"/api/v1/transcriptions/{body['id']}"
    with scope.bound(acme.id):
        again = Transcription.objects.get(id=body["id"])
    assert {name: getattr(again, name) for name in ASKED} == ASKED
    assert program.get(f"transcriptions/{row.id}").json()["status"] == status, "the first one stays as it is"


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
def test_what_waits_or_runs_is_not(status: str, program: Program, acme: Tenant) -> None:
    row = make(acme, status=status)
    assert code(program.post(f"transcriptions/{row.id}/retry")) == (409, "not_over")
    assert count(acme) == 1


def test_what_is_done_is_not_and_the_way_out_is_named(program: Program, acme: Tenant) -> None:
    row = make(acme)
    answer = program.post(f"transcriptions/{row.id}/retry")
    assert code(answer) == (409, "completed")
    assert f"/api/v1/recordings/{row.recording_id}/transcriptions" in answer.json()["detail"]
    assert count(acme) == 1


def test_options_of_its_own_are_refused_and_not_ignored(program: Program, acme: Tenant) -> None:
    row = make(acme, status=Status.FAILED)
    answer = program.post(f"transcriptions/{row.id}/retry", {"language": "en"})
    assert (answer.status_code, answer.json()["param"]) == (400, "language")
    assert count(acme) == 1


def test_without_audio_it_is_gone(program: Program, acme: Tenant) -> None:
    row = make(acme, status=Status.FAILED)
    with scope.bound(acme.id):
        Recording.objects.update(audio_deleted_at=timezone.now())
    assert code(program.post(f"transcriptions/{row.id}/retry")) == (410, "audio_deleted")


def test_where_retention_took_its_options_it_is_refused_and_the_way_out_is_named(
    program: Program, acme: Tenant
) -> None:
    Tenant.objects.filter(id=acme.id).update(text_retention_days=7)
    row = make(acme, status=Status.FAILED, prompt="Unheard of.", hotwords="Fox")
    with scope.bound(acme.id):
        Transcription.objects.update(finished_at=timezone.now() - timedelta(days=8))
    assert retention.delete_old_text() == 1
    answer = program.post(f"transcriptions/{row.id}/retry")
    assert code(answer) == (410, "text_deleted")
    assert f"/api/v1/recordings/{row.recording_id}/transcriptions" in answer.json()["detail"]
    assert count(acme) == 1


@pytest.mark.parametrize("temperature", [0.0, 0.5])
def test_twice_it_is_one_as_long_as_it_is_not_over(temperature: float, program: Program, acme: Tenant) -> None:
    row = make(acme, status=Status.FAILED, temperature=temperature)
    first, second = retried(program, row), retried(program, row)
    with scope.bound(acme.id):
        Transcription.objects.filter(id=first.id).update(status=Status.RUNNING)
    assert first == second == retried(program, row)
    assert (count(acme), quota.snapshot(acme).reserved_seconds) == (2, 101)


def test_under_another_key_it_is_the_same_one_and_told_as_a_replay(program: Program, acme: Tenant) -> None:
    row = make(acme, status=Status.FAILED)
    first, second = (program.post(f"transcriptions/{row.id}/retry", key=key) for key in ("abc", "def"))
    assert (second.status_code, second.json()["id"]) == (201, first.json()["id"])
    assert (first.headers.get("Idempotency-Replayed"), second.headers["Idempotency-Replayed"]) == (None, "true")
    assert program.post(f"transcriptions/{row.id}/retry", key="def").json()["id"] == first.json()["id"]
    assert count(acme) == 2


def test_whoever_hangs_up_meanwhile_doesn_t_take_it_along(program: Program, acme: Tenant) -> None:
    row = make(acme, status=Status.FAILED)
    first = retried(program, row)
    with scope.bound(acme.id):
        Transcription.objects.filter(id=first.id).update(waiters=1)
    again = retried(program, row)
    assert (again, again.waiters) == (first, None)


@pytest.mark.parametrize("status", OVER)
def test_once_that_is_over_too_it_is_another_one(status: str, program: Program, acme: Tenant) -> None:
    row = make(acme, status=Status.FAILED)
    first = retried(program, row)
    with scope.bound(acme.id):
        Transcription.objects.filter(id=first.id).update(status=status)
    assert retried(program, row) != first
    assert count(acme) == 3


def test_what_waits_under_other_options_or_for_another_recording_is_another_one(program: Program, acme: Tenant) -> None:
    row, elsewhere = make(acme, status=Status.FAILED), make(acme, status=Status.FAILED)
    other = program.post(f"recordings/{row.recording_id}/transcriptions", {"language": "fr"}).json()["id"]
    made = {other, *(str(retried(program, one).id) for one in (row, elsewhere))}
    assert len(made) == 3


def test_a_spent_month_refuses_it(program: Program, acme: Tenant) -> None:
    row = make(acme, status=Status.FAILED)
    acme.quota.monthly_seconds = 10
    acme.quota.save()
    assert code(program.post(f"transcriptions/{row.id}/retry")) == (402, "quota_monthly_seconds")


def test_under_a_key_it_is_one_whatever_the_tenant_changes_meanwhile(program: Program, acme: Tenant) -> None:
    row, other = (make(acme, status=Status.FAILED, mode="exact", hotwords="Renard, Fox") for _ in range(2))
    first = program.post(f"transcriptions/{row.id}/retry", key="abc")
    Tenant.objects.filter(id=acme.id).update(default_mode="exact", hotwords="Renard")
    second = program.post(f"transcriptions/{row.id}/retry", key="abc")
    assert (second.status_code, second.json()["id"]) == (201, first.json()["id"])
    assert (first.headers.get("Idempotency-Replayed"), second.headers["Idempotency-Replayed"]) == (None, "true")
    assert code(program.post(f"transcriptions/{other.id}/retry", key="abc")) == (422, "idempotency_key_reused")
    assert count(acme) == 3


def test_what_the_tenant_added_is_added_as_it_is_now(program: Program, acme: Tenant) -> None:
    Tenant.objects.filter(id=acme.id).update(hotwords="Renard", default_mode="exact")
    row = make(acme, status=Status.FAILED, hotwords="Renard, Fox", mode="auto")
    again = retried(program, row)
    assert (again.hotwords, again.mode) == ("Renard, Fox", "exact")


@pytest.mark.usefixtures("two_models")
class TestTheModel:
    @pytest.mark.parametrize(
        ("model", "seconds", "expected"),
        [
            ("tiny", 5.0, "tiny"),
            ("base", 5.0, "base"),  # chosen by its name: the default would have been tiny
            ("tiny", 100.0, "tiny"),  # chosen by its name: too long for the tenant's choice
            ("base", 100.0, "base"),
        ],
    )
    def test_is_the_same(self, model: str, seconds: float, expected: str, program: Program, acme: Tenant) -> None:
        Tenant.objects.filter(id=acme.id).update(short_clip_model="tiny")
        row = make(acme, status=Status.FAILED)
        with scope.bound(acme.id):
            Transcription.objects.update(model=model)
        last_seconds(row, seconds)
        assert retried(program, row).model == expected

    def test_is_named_where_it_is_no_longer_offered(self, program: Program, acme: Tenant) -> None:
        row = make(acme, status=Status.FAILED)
        with scope.bound(acme.id):
            Transcription.objects.update(model="medium")
        answer = program.post(f"transcriptions/{row.id}/retry")
        assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (400, "model_not_found", "model")
        assert "“medium”" in answer.json()["detail"]

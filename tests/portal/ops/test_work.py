"""Operators act on what waits and what failed, and pause engines: asked first, noted, by the queue's own functions."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connections
from django.test import Client
from django.utils import timezone

from tenants import scope
from tenants.models import AuditEntry, User
from tests.conftest import Character
from tests.portal.ops.conftest import condition
from tests.transcription.characters import submit
from transcription.errors import Failure
from transcription.models import Engine, Lane, LaneBacklog, Status, Transcription
from transcription.options import engines
from transcription.queue import claims, fairness, lifecycle
from transcription.worker import job

pytestmark = pytest.mark.django_db
QUEUE, FAILURES, ENGINES = (f"/admin/operations/{name}/" for name in ("queue", "failures", "engines"))


def act(client: Client, page: str, do: str, *rows: Transcription, confirmed: bool = True) -> str:
    form = {"do": do, "id": [str(row.id) for row in rows]} | ({"confirmed": "yes"} if confirmed else {})
    """Returns the page that follows."""
    return client.post(page, form, follow=True).content.decode()


def waiting(who: Character, fox: Path, **options: object) -> Transcription:
    with scope.bound(who.tenant.id):
        return submit(who.actor, fox, **options)


def of(row: Transcription) -> Transcription:
    with scope.across_tenants("this test"):
        return Transcription.objects.get(id=row.id)


def audited(who: Character) -> list[str]:
    with scope.bound(who.tenant.id):
        entries = AuditEntry.objects.filter(actor_kind="operator").order_by("created_at", "id")
        return list(entries.values_list("action", flat=True))


def test_a_selection_is_moved_and_cancelled_once_that_is_confirmed(
    operator: Client, alice: Character, mallory: Character, fox: Path
) -> None:
    one, two, other = (
        waiting(alice, fox),
        waiting(alice, fox, prompt="another"),
        waiting(mallory, fox),
    )
    page = operator.get(QUEUE).content.decode()
    assert page.count('type="checkbox"') == 3
    filtered = operator.get(f"{QUEUE}?tenant={alice.tenant.id}&lane=1").content.decode()
    assert filtered.count('type="checkbox"') == 2
    asked = act(operator, QUEUE, "interactive", one, other, confirmed=False)
    assert "Move to the lane “interactive”?" in asked
    assert of(one).lane == Lane.STANDARD

    assert "2 transcriptions were changed." in act(operator, QUEUE, "interactive", one, other)
    assert [of(row).lane for row in (one, two, other)] == [Lane.INTERACTIVE, Lane.STANDARD, Lane.INTERACTIVE]
    assert fairness.correct_all() == 0
    claim = claims.claim("here:0/1", [Lane.INTERACTIVE])
    assert claim is not None
    again = act(operator, QUEUE, "bulk", Transcription(id=claim.id), two, Transcription(id=uuid.uuid4()))
    assert "1 transcription was changed. 2 were left as they are." in again

    act(operator, QUEUE, "cancel", two)
    assert of(two).status == Status.CANCELLED
    assert fairness.correct_all() == 0
    assert LaneBacklog.objects.filter(waiting__gt=0).count() == 1
    assert audited(alice)[0] == "transcription.moved"
    assert audited(alice)[-1] == "transcription.cancelled"


def test_what_failed_is_queued_again_by_its_cause(operator: Client, alice: Character, fox: Path) -> None:
    row = waiting(alice, fox)
    claim = claims.claim("here:0/1")
    assert claim is not None
    with scope.bound(alice.tenant.id):
        lifecycle.fail(claim, Failure("no_audio", "<script>nothing to hear"))
    page = operator.get(FAILURES).content.decode()
    assert '<a href="?cause=no_audio">no_audio</a></th><td>1</td>' in page
    assert "<script>nothing" not in page
    assert 'type="checkbox"' not in operator.get(f"{FAILURES}?cause=engine").content.decode()
    assert "Queue these again" in act(operator, FAILURES, "retry", row, confirmed=False)
    assert "1 transcription was changed." in act(operator, FAILURES, "retry", row)
    with scope.bound(alice.tenant.id):
        assert Transcription.objects.filter(status=Status.QUEUED).count() == 1
    assert audited(alice) == ["transcription.created"]


@pytest.mark.usefixtures("engine")
def test_the_workers_of_a_paused_engine_claim_nothing_until_it_is_resumed(
    operator: Client, alice: Character, fox: Path, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    row = waiting(alice, fox)
    settings.GPUWORKER_NAME = "here:0"
    monkeypatch.setattr(job, "close_old_connections", lambda: None)
    claimed: list[object] = []
    monkeypatch.setattr(job, "run_attempt", claimed.append)
    paused = operator.post(ENGINES, {"engine": "here:0", "do": "pause"}, follow=True).content.decode()
    assert "Paused: here:0." in paused
    engines.report("here:0", condition(), 8, 8)
    assert Engine.objects.get(name="here:0").paused_at is not None
    assert "paused by an operator" in operator.get("/health").content.decode()

    monkeypatch.setattr(connections, "close_all", lambda: None)

    def resume(_seconds: float) -> None:
        assert (claimed, of(row).status) == ([], Status.QUEUED)
        operator.post(ENGINES, {"engine": "here:0", "do": "resume"})

    monkeypatch.setattr(time, "sleep", resume)
    job.work()
    assert len(claimed) == 1
    assert list(LogEntry.objects.order_by("id").values_list("change_message", flat=True)) == ["Paused.", "Resumed."]


@pytest.mark.usefixtures("engine")
def test_an_engine_is_told_once_to_unload_a_model_and_to_load_it(operator: Client) -> None:
    def ask(what: str) -> str:
        return operator.post(ENGINES, {"engine": "here:0", "model": what}, follow=True).content.decode()

    assert "Unloading: base, once no window needs it." in ask("unload:base")
    assert "waits for another order" in ask("unload:base")
    assert engines.report("here:0", condition(), 8, 8)
    assert engines.take_order("here:0") == ("unload", "base")
    assert engines.take_order("here:0") is None
    assert not engines.report("here:0", condition(loaded=()), 8, 8)
    assert "Not done" in ask("unload:base")
    assert "Not done" in ask("load:large-v3")
    assert "Loading: base." in ask("load:base")
    assert engines.take_order("here:0") == ("load", "base")
    noted = LogEntry.objects.order_by("id").values_list("change_message", flat=True)
    assert list(noted) == ["Unloads base.", "Loads base."]


def test_who_may_only_look_changes_nothing(alice: Character, fox: Path, engine: Engine) -> None:
    row = waiting(alice, fox)
    with scope.bound(alice.tenant.id):
        Transcription.objects.filter(id=row.id).update(status=Status.FAILED, finished_at=timezone.now())
    stan = User.objects.create_user("stan@portal.example", "correct horse")
    User.objects.filter(pk=stan.pk).update(is_staff=True)
    client = Client()
    client.force_login(stan)
    for page in (QUEUE, FAILURES, ENGINES):
        assert client.get(page).status_code == 403
    stan.user_permissions.add(Permission.objects.get(codename="view_operations"))
    for page in (QUEUE, FAILURES, ENGINES):
        looked = client.get(page).content.decode()
        assert 'type="checkbox"' not in looked
        assert 'name="do"' not in looked
        assert 'name="model"' not in looked
        form = {
            "engine": engine.name,
            "do": "pause" if page == ENGINES else "retry",
            "id": [str(row.id)],
            "confirmed": 1,
        }
        assert client.post(page, form).status_code == 403
    assert client.post(ENGINES, {"engine": engine.name, "model": "unload:base"}).status_code == 403
    assert Engine.objects.get().model_order is None
    assert Engine.objects.filter(paused_at=None).count() == 1

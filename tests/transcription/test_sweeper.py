"""The sweeper's rounds, as the process runs them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tenants import scope
from tests.conftest import Character
from tests.rounds import running
from tests.transcription.characters import submit
from tests.waiting import until
from transcription import lookout
from transcription.lookout import Lookout, look
from transcription.maintenance import rounds
from transcription.maintenance.rounds import Round, sweep
from transcription.maintenance.sweeper import ROUNDS, beside
from transcription.models import Process, Status, Sweeper, Transcription
from transcription.queue import claims

pytestmark = pytest.mark.django_db(transaction=True)
REPORTED = Lookout(lambda: Sweeper.objects.filter(host="here"))


class Counted:
    """A task that counts its runs, and fails if it is told to."""

    def __init__(self, fails: bool = False) -> None:
        self.runs, self.fails = 0, fails

    def __call__(self) -> int:
        self.runs += 1
        if self.fails:
            raise RuntimeError("on purpose")
        return 0


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LOOK_SECONDS", 0.01)


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def run(stop: threading.Event, *given: Round) -> threading.Thread:
    thread = threading.Thread(target=rounds.run, args=(stop, given))
    thread.start()
    return thread


def end(stop: threading.Event, looking: threading.Thread, *given: Round) -> None:
    stop.set()
    looking.join(60)
    assert all(one.finish(60) for one in given)


def test_no_task_needs_a_tenant_bound(alice: Character, caplog: pytest.LogCaptureFixture) -> None:
    for one in ROUNDS:
        sweep(one.tasks)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_one_query_looks_for_everything(alice: Character, stop: threading.Event) -> None:
    everything = {what for one in (*ROUNDS, *beside(stop)) for what in one.due}
    with CaptureQueriesContext(connection) as queries:
        assert look(everything) == set()
    assert len(queries) == 1
    Sweeper.objects.create(host="here")
    assert look({*everything, REPORTED}) == {REPORTED}


def test_a_round_runs_when_something_is_due_and_counts_as_well_when_nothing_is(stop: threading.Event) -> None:
    waits, always = Counted(), Counted()
    given = Round(0.0, 0.0, {"waits": waits}, (REPORTED,)), Round(0.0, 60.0, {"always": always})
    looking = run(stop, *given)
    until(lambda: always.runs > 3)
    now = time.monotonic()
    until(lambda: given[0].lateness(now) == 0.0)
    assert waits.runs == 0
    Sweeper.objects.create(host="here")
    until(lambda: waits.runs)
    end(stop, looking, *given)


def test_a_round_that_fails_or_hangs_stops_no_other(stop: threading.Event) -> None:
    over = threading.Event()
    hangs, fails, following, other = Counted(), Counted(fails=True), Counted(), Counted()

    def hang() -> None:
        hangs()
        over.wait(120)

    given = (
        Round(0.0, 60.0, {"hangs": hang}),
        Round(0.0, 60.0, {"fails": fails, "the next": following}),
        Round(0.0, 60.0, {"other": other}),
    )
    looking = run(stop, *given)
    until(lambda: fails.runs > 2 and following.runs > 2 and other.runs > 2)
    assert hangs.runs == 1
    over.set()
    end(stop, looking, *given)


def test_while_nothing_can_be_looked_up_every_round_is_tried(
    stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_lookouts: object) -> set[Lookout]:
        raise DatabaseError("away")

    monkeypatch.setattr(rounds, "look", away)
    monkeypatch.setattr(rounds, "LONGEST_PAUSE_SECONDS", 0.02)
    waits = Counted()
    one = Round(0.0, 60.0, {"waits": waits}, (REPORTED,))
    looking = run(stop, one)
    until(lambda: waits.runs > 2)
    end(stop, looking, one)


def test_one_question_that_is_broken_has_its_round_tried_and_no_other(
    stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "ONE_BY_ONE_SECONDS", 600.0)
    broken, waits = Counted(), Counted()
    odd = Lookout(lambda: Sweeper.objects.extra(where=["no_such_column = 1"]))
    given = Round(0.0, 60.0, {"broken": broken}, (odd,)), Round(0.0, 60.0, {"waits": waits}, (REPORTED,))
    looking = run(stop, *given)
    until(lambda: broken.runs > 2)
    assert waits.runs == 0
    end(stop, looking, *given)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no locks of tables")
def test_a_table_that_is_locked_holds_up_no_round_of_another(stop: threading.Event) -> None:
    locked, other = Counted(), Counted()
    given = (
        Round(0.0, 60.0, {"locked": locked}, (REPORTED,)),
        Round(0.0, 60.0, {"other": other}, (Lookout(Process.objects.all),)),
    )
    Process.objects.create(kind=Process.Kind.SWEEPER, host="here", pid=1)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {Sweeper._meta.db_table} IN ACCESS EXCLUSIVE MODE")
        looking = run(stop, *given)
        until(lambda: other.runs > 1 and locked.runs > 1)
    end(stop, looking, *given)


def test_a_round_that_can_not_begin_ends_the_looking_of_none(stop: threading.Event) -> None:
    class Odd(Round):
        has_failed = False

        def start(self) -> None:
            if not self.has_failed:
                self.has_failed = True
                raise MemoryError
            super().start()

    odd = Counted()
    one = Odd(0.0, 60.0, {"odd": odd})
    looking = run(stop, one)
    until(lambda: odd.runs > 2)
    end(stop, looking, one)


def test_what_a_dead_worker_held_goes_back_to_the_queue(alice: Character, fox: Path) -> None:
    with scope.bound(alice.tenant.id):
        row = submit(alice.actor, fox)
    assert claims.claim("host/1") is not None
    with scope.across_tenants("a test"), running("expired leases"):
        rows = Transcription.objects.filter(id=row.id)
        rows.update(lease_until=timezone.now() - timedelta(seconds=1))
        until(lambda: rows.filter(status=Status.QUEUED).exists())

"""One blow at a time on the real processes: a frozen job, a deployment, an engine that misbehaves."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.chaos import backend, expected
from tests.chaos.callers import Accepted
from tests.chaos.household import Member, until
from tests.chaos.stage import Stage
from tests.chaos.watch import Running

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.xdist_group("chaos")]
PATIENCE_SECONDS = 60


@pytest.fixture(autouse=True)
def all_engines_ready(stage: Stage) -> None:
    until(stage.is_ready, PATIENCE_SECONDS, "both engines")


def attempt_at(stage: Stage, sent: Accepted) -> Running | None:
    found = (one for one in stage.watch.attempts_under_way() if one.transcription == sent.transcription)
    return next(found, None)


def under_way(stage: Stage, sent: Accepted, fence: int = 1) -> Running:
    until(lambda: (found := attempt_at(stage, sent)) and found.fence >= fence, PATIENCE_SECONDS, "an attempt")
    found = attempt_at(stage, sent)
    assert found is not None
    return found


def gpuworker_of(stage: Stage, attempt: Running) -> Member:
    names = {member.environment["GPUWORKER_NAME"]: member for member in stage.household.gpuworkers()}
    return names[attempt.worker.split("/")[0]]


def outcomes(stage: Stage, sent: Accepted) -> list[str]:
    query = "select outcome from transcription_attempt where transcription_id::text = %s order by fence"
    return [row[0] for row in stage.watch.rows(query, sent.transcription)]


def result(stage: Stage, sent: Accepted) -> tuple[Any, ...]:
    """Status, text, and how often it was charged."""
    query = """select status, text, (select count(*) from tenants_ledgerentry l where l.transcription_id = t.id)
               from transcription_transcription t where id::text = %s"""
    return stage.watch.rows(query, sent.transcription)[0]


def as_if_nothing_had_happened(sent: Accepted) -> tuple[Any, ...]:
    return ("completed", expected.text_of(sent.made.file), 1)


def test_a_frozen_job_that_wakes_up_after_its_lease_writes_nothing(stage: Stage) -> None:
    sent = stage.send_one(901, seconds=35)
    frozen = under_way(stage, sent)
    (horse,) = [one for one in gpuworker_of(stage, frozen).descendants("horse") if one.pid == frozen.pid]
    horse.suspend()
    under_way(stage, sent, fence=2)
    horse.resume()
    stage.wait_for([sent], PATIENCE_SECONDS)
    until(lambda: not horse.is_running(), PATIENCE_SECONDS, "the frozen job to end")
    assert outcomes(stage, sent) == ["lost", "completed"]
    assert result(stage, sent) == as_if_nothing_had_happened(sent)


def test_a_deployment_takes_no_attempt(stage: Stage) -> None:
    sent = [stage.send_one(number, seconds=45) for number in (902, 903)]
    attempts = [under_way(stage, one) for one in sent]
    member = gpuworker_of(stage, attempts[0])
    process = member.process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0
    stage.wait_for(sent, PATIENCE_SECONDS)
    assert {outcome for one in sent for outcome in outcomes(stage, one)} <= {"handed_back", "completed"}
    assert [result(stage, one) for one in sent] == [as_if_nothing_had_happened(one) for one in sent]


def test_an_engine_in_trouble_costs_an_attempt_at_most(stage: Stage) -> None:
    troubles = (backend.RAISES, backend.IS_FULL, backend.LOSES_ITS_DEVICE)
    for trouble in troubles:
        stage.orders.give(trouble)
    sent = [stage.send_one(number, seconds=12) for number in (904, 905, 906)]
    stage.wait_for(sent, PATIENCE_SECONDS)
    assert not any(stage.orders.withdraw(trouble) for trouble in troubles)
    assert sum(len(outcomes(stage, one)) for one in sent) <= len(sent) + len(troubles)
    assert [result(stage, one) for one in sent] == [as_if_nothing_had_happened(one) for one in sent]
    until(stage.is_ready, PATIENCE_SECONDS, "both engines")


def test_an_engine_that_hangs_is_replaced_and_costs_an_attempt_at_most(stage: Stage) -> None:
    stage.orders.give(backend.HANGS)
    sent = stage.send_one(907, seconds=12)
    attempt = under_way(stage, sent)
    (engine,) = gpuworker_of(stage, attempt).descendants("engine")
    stage.wait_for([sent], PATIENCE_SECONDS)
    until(lambda: not engine.is_running(), PATIENCE_SECONDS, "the hung engine's end")
    until(stage.is_ready, PATIENCE_SECONDS, "both engines")
    assert len(outcomes(stage, sent)) <= 2
    assert result(stage, sent) == as_if_nothing_had_happened(sent)

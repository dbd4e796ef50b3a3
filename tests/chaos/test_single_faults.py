"""One fault at a time on the real processes: a frozen job, a deployment, an engine that misbehaves."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.chaos import backend, expected
from tests.chaos.callers import Accepted
from tests.chaos.installation import Installation
from tests.chaos.process_group import ManagedProcess
from tests.chaos.watch import Running
from tests.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
PATIENCE_SECONDS = 60


@pytest.fixture(autouse=True)
def all_engines_ready(installation: Installation) -> None:
    until(installation.is_ready, PATIENCE_SECONDS, "both engines")


def attempt_at(installation: Installation, sent: Accepted) -> Running | None:
    found = (one for one in installation.watch.attempts_under_way() if one.transcription == sent.transcription)
    return next(found, None)


def under_way(installation: Installation, sent: Accepted, fence: int = 1) -> Running:
    until(lambda: (found := attempt_at(installation, sent)) and found.fence >= fence, PATIENCE_SECONDS, "an attempt")
    found = attempt_at(installation, sent)
    assert found is not None
    return found


def gpuworker_of(installation: Installation, attempt: Running) -> ManagedProcess:
    names = {member.environment["GPUWORKER_NAME"]: member for member in installation.processes.gpuworkers()}
    return names[attempt.worker.split("/")[0]]


def outcomes(installation: Installation, sent: Accepted) -> list[str]:
    query = "select outcome from transcription_attempt where transcription_id::text = %s order by fence"
    return [row[0] for row in installation.watch.rows(query, sent.transcription)]


def result(installation: Installation, sent: Accepted) -> tuple[Any, ...]:
    """Status, text, and how often it was charged."""
    query = """select status, text, (select count(*) from tenants_ledgerentry l where l.transcription_id = t.id)
               from transcription_transcription t where id::text = %s"""
    return installation.watch.rows(query, sent.transcription)[0]


def as_if_nothing_had_happened(sent: Accepted) -> tuple[Any, ...]:
    return ("completed", expected.text_of(sent.made.file), 1)


def test_a_frozen_job_that_wakes_up_after_its_lease_writes_nothing(installation: Installation) -> None:
    sent = installation.send_one(901, seconds=35)
    frozen = under_way(installation, sent)
    (horse,) = [one for one in gpuworker_of(installation, frozen).descendants("horse") if one.pid == frozen.pid]
    horse.suspend()
    under_way(installation, sent, fence=2)
    horse.resume()
    installation.wait_for([sent], PATIENCE_SECONDS)
    until(lambda: not horse.is_running(), PATIENCE_SECONDS, "the frozen job to end")
    assert outcomes(installation, sent) == ["lost", "completed"]
    assert result(installation, sent) == as_if_nothing_had_happened(sent)


def test_a_deployment_takes_no_attempt(installation: Installation) -> None:
    sent = [installation.send_one(number, seconds=45) for number in (902, 903)]
    attempts = [under_way(installation, one) for one in sent]
    member = gpuworker_of(installation, attempts[0])
    process = member.process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0
    installation.wait_for(sent, PATIENCE_SECONDS)
    assert {outcome for one in sent for outcome in outcomes(installation, one)} <= {"handed_back", "completed"}
    assert [result(installation, one) for one in sent] == [as_if_nothing_had_happened(one) for one in sent]


def test_an_engine_in_trouble_costs_an_attempt_at_most(installation: Installation) -> None:
    troubles = (backend.RAISES, backend.IS_FULL, backend.LOSES_ITS_DEVICE)
    for trouble in troubles:
        installation.orders.give(trouble)
    sent = [installation.send_one(number, seconds=12) for number in (904, 905, 906)]
    installation.wait_for(sent, PATIENCE_SECONDS)
    assert not any(installation.orders.withdraw(trouble) for trouble in troubles)
    assert sum(len(outcomes(installation, one)) for one in sent) <= len(sent) + len(troubles)
    assert [result(installation, one) for one in sent] == [as_if_nothing_had_happened(one) for one in sent]
    until(installation.is_ready, PATIENCE_SECONDS, "both engines")


def test_an_engine_that_hangs_is_replaced_and_costs_an_attempt_at_most(installation: Installation) -> None:
    installation.orders.give(backend.HANGS)
    sent = installation.send_one(907, seconds=12)
    attempt = under_way(installation, sent)
    (engine,) = gpuworker_of(installation, attempt).descendants("engine")
    installation.wait_for([sent], PATIENCE_SECONDS)
    until(lambda: not engine.is_running(), PATIENCE_SECONDS, "the hung engine's end")
    until(installation.is_ready, PATIENCE_SECONDS, "both engines")
    assert len(outcomes(installation, sent)) <= 2
    assert result(installation, sent) == as_if_nothing_had_happened(sent)

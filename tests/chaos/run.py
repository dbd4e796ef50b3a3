"""One run from its beginning to its report."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg

from tests.chaos import recordings
from tests.chaos.callers import Accepted, Callers
from tests.chaos.installation import Installation
from tests.chaos.kill_scheduler import KillScheduler
from tests.chaos.pace import Pace
from tests.chaos.plan import Plan
from tests.chaos.process_group import ROOT
from tests.chaos.recordings import Made
from tests.chaos.report import Checker, Report

CALM_SECONDS = 90.0
REAL_CALM_SECONDS = 300.0


def carry_out(plan: Plan, keep: bool = False) -> Report:
    """Runs, tidies up if all went well, and says where the logs are if not, or if they are to be kept."""
    installation = Installation(plan)
    with installation:
        report = Run(installation).go()
    if report.faults or keep:
        report.notes.append(f"logs: {installation.processes.logs}")
    else:
        installation.tidy_up()
    return report


class Run:
    """A few recordings undisturbed, then all of them, in other tenants, while the scheduler is at work."""

    def __init__(self, installation: Installation) -> None:
        self._plan = installation.plan
        self._installation = installation
        self._made = _make_recordings(installation.plan, installation)
        self._scheduler = KillScheduler(
            installation.plan, installation.processes, installation.watch, installation.orders
        )
        self._pace = Pace(installation.plan)

    def reckon(self) -> subprocess.Popen[bytes]:
        """Computes the expected texts while everything else goes on."""
        command = [sys.executable, "-m", "tests.chaos.expected", str(self._installation.media)]
        return subprocess.Popen([*command, *(["--real"] if self._plan.is_real else [])], cwd=ROOT)

    def go(self) -> Report:
        reckoner = self.reckon()
        calm = self._installation.send([made for made in self._made if not made.poison][: self._plan.calm])
        self._installation.wait_for(calm, REAL_CALM_SECONDS if self._plan.is_real else CALM_SECONDS)
        began = time.monotonic()
        callers = self._disturb()
        seconds = time.monotonic() - began
        if reckoner.wait():
            raise RuntimeError("The expected texts could not be computed.")
        expected = json.loads((self._installation.media / "expected.json").read_text())
        return Checker(
            self._installation.watch,
            self._installation.processes.url,
            self._plan,
            callers,
            self._scheduler,
            expected,
        ).check(calm, seconds)

    def _disturb(self) -> Callers:
        installation = self._installation
        callers = Callers(installation.processes.url, self._plan.seed, installation.tenants[1:], self._may_send)
        installation.watch.count_from_here()
        callers.start(self._made)
        self._scheduler.start()
        deadline = time.monotonic() + self._plan.deadline
        while time.monotonic() < deadline and not self._is_everything_over(callers):
            time.sleep(0.2)
        callers.stop()
        self._scheduler.stop()
        return callers

    def _may_send(self) -> bool:
        watch, scheduler = self._installation.watch, self._scheduler
        is_needed = scheduler.waits_for_upload or watch.due + watch.running == 0
        return self._pace.may_send(scheduler.share, scheduler.is_redis_away, is_needed, watch.due)

    def _is_everything_over(self, callers: Callers) -> bool:
        accepted: Sequence[Accepted] = callers.accepted
        try:
            return callers.are_done and self._installation.watch.are_over([one.transcription for one in accepted])
        except psycopg.Error:
            return False


def _make_recordings(plan: Plan, installation: Installation) -> list[Made]:
    """The poisoned ones stand in the first quarter, so that their attempts meet the kills."""
    make = partial(recordings.make, plan.seed, folder=installation.media, longest=plan.longest)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(make, range(plan.transcriptions)))
    for number, mark in enumerate(plan.poisons, start=plan.transcriptions):
        made.insert(plan.transcriptions // 4, recordings.make_poison(plan.seed, number, installation.media, mark))
    return made

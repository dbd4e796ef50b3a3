"""One run from its beginning to its verdict."""

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
from tests.chaos.household import ROOT
from tests.chaos.monkey import Monkey
from tests.chaos.pace import Pace
from tests.chaos.plan import Plan
from tests.chaos.recordings import Made
from tests.chaos.stage import Stage
from tests.chaos.verdict import Judge, Verdict

CALM_SECONDS = 90.0


def carry_out(plan: Plan, keep: bool = False) -> Verdict:
    """Runs, tidies up if all went well, and says where the logs are if not, or if they are to be kept."""
    stage = Stage(plan)
    with stage:
        verdict = Run(stage).go()
    if verdict.faults or keep:
        verdict.notes.append(f"logs: {stage.household.logs}")
    else:
        stage.tidy_up()
    return verdict


class Run:
    """A few recordings undisturbed, then all of them, in other tenants, while the monkey is at work."""

    def __init__(self, stage: Stage) -> None:
        self._plan = stage.plan
        self._stage = stage
        self._made = _make_recordings(stage.plan, stage)
        self._monkey = Monkey(stage.plan, stage.household, stage.watch, stage.orders)
        self._pace = Pace(stage.plan)

    def reckon(self) -> subprocess.Popen[bytes]:
        """Computes the expected texts while everything else goes on."""
        return subprocess.Popen([sys.executable, "-m", "tests.chaos.expected", str(self._stage.media)], cwd=ROOT)

    def go(self) -> Verdict:
        reckoner = self.reckon()
        calm = self._stage.send([made for made in self._made if not made.poison][: self._plan.calm])
        self._stage.wait_for(calm, CALM_SECONDS)
        began = time.monotonic()
        callers = self._disturb()
        seconds = time.monotonic() - began
        if reckoner.wait():
            raise RuntimeError("The expected texts could not be computed.")
        expected = json.loads((self._stage.media / "expected.json").read_text())
        return Judge(self._stage, callers, self._monkey, expected).judge(calm, seconds)

    def _disturb(self) -> Callers:
        stage = self._stage
        callers = Callers(stage.household.url, self._plan.seed, stage.tenants[1:], self._may_send)
        stage.watch.count_from_here()
        callers.start(self._made)
        self._monkey.start()
        deadline = time.monotonic() + self._plan.deadline
        while time.monotonic() < deadline and not self._is_everything_over(callers):
            time.sleep(0.2)
        callers.stop()
        self._monkey.stop()
        return callers

    def _may_send(self) -> bool:
        watch, monkey = self._stage.watch, self._monkey
        is_needed = monkey.waits_for_upload or watch.due + watch.running == 0
        return self._pace.may_send(monkey.share, monkey.is_redis_away, is_needed, watch.due)

    def _is_everything_over(self, callers: Callers) -> bool:
        accepted: Sequence[Accepted] = callers.accepted
        try:
            return callers.are_done and self._stage.watch.are_over([one.transcription for one in accepted])
        except psycopg.Error:
            return False


def _make_recordings(plan: Plan, stage: Stage) -> list[Made]:
    """The poisoned ones stand in the first quarter, so that their attempts meet the kills."""
    make = partial(recordings.make, plan.seed, folder=stage.media, longest=plan.longest)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(make, range(plan.transcriptions)))
    for number, mark in enumerate(plan.poisons, start=plan.transcriptions):
        made.insert(plan.transcriptions // 4, recordings.make_poison(plan.seed, number, stage.media, mark))
    return made

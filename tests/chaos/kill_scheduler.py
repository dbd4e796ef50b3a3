"""Kills what the plan says, as the work goes on, and notes what each kill took with it."""

from __future__ import annotations

import logging
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import psutil
import psycopg

from tests.chaos import points
from tests.chaos.orders import Note, Orders
from tests.chaos.plan import FREEZE, Plan
from tests.chaos.process_group import ManagedProcess, ProcessGroup
from tests.chaos.watch import Running, Watch
from tests.waiting import until

log = logging.getLogger(__name__)
GAP_SECONDS = 1.0
ORDER_SECONDS = 40.0
HAND_BACK_SECONDS = 30.0
STALL_SECONDS = 15.0
WAKE_SECONDS = 8.0
LAST_ATTEMPT = 3
EVERYBODY = ("valkey", "postgres")

T = TypeVar("T")
Due = tuple[float, Callable[[], None]]


@dataclass(frozen=True)
class Kill:
    """`victims` are the attempts that were under way in, or by way of, what was killed."""

    name: str
    moment: float
    victims: tuple[tuple[str, int], ...] = ()


@dataclass
class Outage:
    """Of Redis, in Unix time."""

    began: float = 0.0
    ended: float = 0.0
    waiting: int = field(default=0)


class KillScheduler:
    """Goes on as the share of finished work does; where nothing finishes, it waits for a while and goes on.

    An attempt that is the last one is spared: two crashes cost a recording nothing, and a third one is what a
    poisoned recording is known by.
    """

    def __init__(self, plan: Plan, processes: ProcessGroup, watch: Watch, orders: Orders) -> None:
        self.kills: list[Kill] = []
        self.freezes: list[Kill] = []
        self.troubles: list[str] = []
        self.missed: list[str] = []
        self.outage = Outage()
        self.share = 0.0
        """Of the work, after which the next deed is due; 1 when all is done."""
        self.waits_for_upload = False
        self._plan = plan
        self._processes = processes
        self._watch = watch
        self._orders = orders
        self._chance = random.Random(f"{plan.seed}/scheduler")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(60)

    @property
    def is_redis_away(self) -> bool:
        return bool(self.outage.began and not self.outage.ended)

    def _run(self) -> None:
        for share, deed in self._agenda():
            self.share = share
            self._await(share)
            if self._ending.is_set():
                return
            deed()
            self._ending.wait(GAP_SECONDS)
        self.share = 1.0

    def _agenda(self) -> list[Due]:
        """What is due after which share of the work."""
        names = self._plan.kill_names()
        flush, outage = self._plan.shares
        agenda: list[Due] = [(0.04 + 0.8 * n / len(names), partial(self._kill, name)) for n, name in enumerate(names)]
        troubles = self._plan.troubles()
        agenda += [(0.1 + 0.7 * n / len(troubles), partial(self._trouble, name)) for n, name in enumerate(troubles)]
        agenda += [(flush, self._flush), (outage, self._take_redis_away)]
        return sorted(agenda, key=lambda item: item[0])

    def _await(self, share: float) -> None:
        wanted = share * self._plan.transcriptions
        deadline = time.monotonic() + STALL_SECONDS
        while self._watch.over < wanted and time.monotonic() < deadline and not self._ending.is_set():
            time.sleep(0.1)

    def _kill(self, name: str) -> None:
        if "." in name:
            self._order(name)
        elif name == "horse":
            self._kill_horse()
        else:
            self._kill_member(name)

    def _order(self, point: str) -> None:
        self.waits_for_upload = point in points.IN_THE_WEB
        self._give_order(point)
        self.waits_for_upload = False

    def _give_order(self, point: str) -> None:
        """A point that nobody comes to in time is given up, and a horse dies in its place."""
        before = len(self._orders.notes())
        self._orders.give(point)
        if point in points.AFTER_A_FAILURE:
            self._orders.give("engine.raise")
        patience = ORDER_SECONDS
        if point in points.AFTER_SIGTERM:
            self._hang_and_stop()
            patience = HAND_BACK_SECONDS
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and not self._ending.is_set():
            time.sleep(0.05)
            if found := [note for note in self._orders.notes()[before:] if note.name == point]:
                self._note(_kill_of(found[0]))
                return
        if not self._orders.withdraw(point):
            self._note(_kill_of(self._orders.notes()[-1]))
            return
        self._miss(point)
        self._kill_horse()

    def _hang_and_stop(self) -> None:
        """SIGTERM to a gpuworker that can't finish what it does."""
        members = self._until_found(lambda: [m for m in self._processes.gpuworkers() if self._of_gpuworker(m)])
        for member in members[:1]:
            for engine in member.descendants("engine"):
                engine.suspend()
            member.send(signal.SIGTERM)

    def _kill_horse(self) -> None:
        horses = self._until_found(lambda: self._horses())
        if not horses:
            self._miss("horse")
            return
        attempt, horse = self._chance.choice(horses)
        self._strike("horse", [horse], [attempt])

    def _horses(self) -> list[tuple[Running, psutil.Process]]:
        """Living horses, with what they are at; frozen ones and those at a last attempt are left out."""
        by_pid = {attempt.pid: attempt for attempt in self._under_way()}
        horses = [horse for member in self._processes.gpuworkers() for horse in member.descendants("horse")]
        found = [(by_pid[horse.pid], horse) for horse in horses if horse.pid in by_pid]
        return [(at, horse) for at, horse in found if at.attempts_made < LAST_ATTEMPT and not _is_frozen(horse)]

    def _kill_member(self, name: str) -> None:
        target = self._until_found(lambda: self._target(name))
        if target is None:
            self._miss(name)
            return
        processes, victims = target
        self._strike(name, processes, victims)

    def _target(self, name: str) -> tuple[list[psutil.Process], list[Running]] | None:
        """The process to kill and the attempts at stake; None where there is none, or one must be spared."""
        if name in ("worker", "gpuworker", "engine"):
            member = self._chance.choice(self._processes.gpuworkers())
            processes = self._own(member) if name == "gpuworker" else member.descendants(f"{name}")
            victims = self._of_gpuworker(member)
        else:
            processes = self._own(self._processes.members[name])
            victims = self._under_way() if name in EVERYBODY else []
        if not processes:
            return None
        process = self._chance.choice(processes)
        if name == "worker":
            children = {child.pid for child in _children(process)}
            victims = [attempt for attempt in victims if attempt.pid in children]
            if not victims:
                return None
        if any(attempt.attempts_made >= LAST_ATTEMPT for attempt in victims):
            return None
        if name != "engine" and any(_is_frozen(child) for child in _children(process)):
            return None  # a frozen job is to wake up
        return [process], victims

    def _of_gpuworker(self, member: ManagedProcess) -> list[Running]:
        prefix = member.environment["GPUWORKER_NAME"] + "/"
        return [attempt for attempt in self._under_way() if attempt.worker.startswith(prefix)]

    def _own(self, member: ManagedProcess) -> list[psutil.Process]:
        if member.process is None or member.process.poll() is not None:
            return []
        return [psutil.Process(member.process.pid)]

    def _strike(self, name: str, processes: list[psutil.Process], victims: list[Running]) -> None:
        moment = time.time()
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        self._note(Kill(name, moment, tuple((victim.transcription, victim.fence) for victim in victims)))

    def _note(self, kill: Kill) -> None:
        taken = ", ".join(f"{name} ({fence})" for name, fence in kill.victims)
        log.info("%3.0f %% done: %s %s", 100 * self.share, kill.name, taken)
        self.kills.append(kill)

    def _miss(self, name: str) -> None:
        log.warning("Nobody came for %s.", name)
        self.missed.append(name)

    def _trouble(self, name: str) -> None:
        self.troubles.append(name)
        if name == FREEZE:
            self._freeze_horse()
            return
        log.info("%3.0f %% done: the backend's next batch is to meet %s", 100 * self.share, name)
        self._orders.give(name)

    def _freeze_horse(self) -> None:
        """It wakes up when its lease is over and another one is at its work."""
        horses = self._until_found(lambda: self._horses())
        if not horses:
            self._miss(FREEZE)
            return
        attempt, horse = self._chance.choice(horses)
        horse.suspend()
        log.info("%3.0f %% done: %s %s (%d)", 100 * self.share, FREEZE, attempt.transcription, attempt.fence)
        self.freezes.append(Kill(FREEZE, time.time(), ((attempt.transcription, attempt.fence),)))
        alarm = threading.Timer(self._plan.lease + WAKE_SECONDS, _resume, [horse])
        alarm.daemon = True
        alarm.start()

    def _flush(self) -> None:
        log.info("%3.0f %% done: FLUSHALL", 100 * self.share)
        until(self._processes.is_redis_there, 30, "Valkey")
        self._processes.redis().flushall()

    def _take_redis_away(self) -> None:
        """For the length of the outage nothing else is killed, so that what goes wrong is Redis's fault."""
        valkey = self._processes.members["valkey"]
        valkey.is_held_down = True
        valkey.send(signal.SIGKILL)
        log.info("%3.0f %% done: Redis goes away", 100 * self.share)
        self.outage.began = time.time()
        self._ending.wait(self._plan.outage)
        self.outage.waiting = self._watch.due
        valkey.is_held_down = False
        until(self._processes.is_redis_there, 30, "Valkey")
        self.outage.ended = time.time()
        self._ending.wait(self._plan.outage / 5)

    def _until_found(self, find: Callable[[], T]) -> T:
        deadline = time.monotonic() + ORDER_SECONDS
        while True:
            found = find()
            if found or time.monotonic() > deadline or self._ending.is_set():
                return found
            time.sleep(0.1)

    def _under_way(self) -> list[Running]:
        try:
            return self._watch.attempts_under_way()
        except psycopg.Error:
            return []


def _resume(process: psutil.Process) -> None:
    try:
        process.resume()
    except psutil.NoSuchProcess:
        pass


def _is_frozen(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def _kill_of(note: Note) -> Kill:
    return Kill(note.name, note.moment, ((note.transcription, note.fence),) if note.transcription else ())

"""How large a run is, and which kills it holds: everything that follows from the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import chain, cycle, islice

from tests.chaos import points
from tests.chaos.recordings import KILLS_ITS_ENGINE, KILLS_ITS_JOB

PROCESSES = ("horse", "horse", "engine", "worker", "gpuworker", "web", "valkey", "postgres", "sweeper")
FREEZE = "horse.freeze"
TROUBLES = ("engine.raise", FREEZE, "engine.full", "engine.lost", "engine.hang")
COMMON = (*points.IN_A_JOB, *points.IN_THE_SWEEPER, *points.IN_THE_WEB)
RARE = (*points.AFTER_A_FAILURE, *points.AFTER_SIGTERM)


@dataclass(frozen=True)
class Plan:
    """Seconds where nothing else is said."""

    seed: int = 1
    transcriptions: int = 200
    workers: int = 4
    kills: int = 50
    outage: float = 60.0
    lease: int = 60
    is_short: bool = False
    is_real: bool = False
    """The engine's backend is the one that a start chooses, with base; else one without a model."""

    @property
    def longest(self) -> float:
        return 45.0 if self.is_short else 150.0

    @property
    def deadline(self) -> float:
        return (200.0 if self.is_short else 1500.0) * (3 if self.is_real else 1)

    @property
    def fewest_kills(self) -> int:
        """On a slow machine the work of a short run may be over before everything has been killed."""
        return self.kills // 2 if self.is_short else self.kills

    @property
    def slowness(self) -> float:
        """Of the engine: seconds for a second of a window."""
        return 0.1 if self.is_short else 0.06

    @property
    def haste(self) -> float:
        """Multiplies the waits between attempts and for a gpuworker that stops, and the patience with a batch."""
        return 0.2 if self.is_short and not self.is_real else 1.0

    @property
    def gpuworkers(self) -> int:
        return 2 if self.workers > 1 else 1

    @property
    def calm(self) -> int:
        """Recordings that are sent first, undisturbed."""
        return 2 if self.is_short else 8

    @property
    def tenants(self) -> int:
        return 2 if self.is_short else 5

    @property
    def poisons(self) -> tuple[int, ...]:
        """Marks of recordings that kill whoever touches them. An engine's is tried again minutes later only."""
        return (KILLS_ITS_JOB,) if self.is_short else (KILLS_ITS_JOB, KILLS_ITS_ENGINE)

    @property
    def shares(self) -> tuple[float, float]:
        """The part of the work after which Redis is emptied, and after which it goes away."""
        chance = random.Random(f"{self.seed}/redis")
        return chance.uniform(0.15, 0.3), chance.uniform(0.35, 0.5)

    def kill_names(self) -> list[str]:
        """Half at points, half at random processes, in random order; every kind before any comes twice."""
        chance = random.Random(f"{self.seed}/kills")
        named = _deck(chance, COMMON if self.is_short else (*COMMON, *RARE), self.kills // 2)
        processes = _deck(chance, PROCESSES, self.kills - len(named))
        deck = [*named, *processes]
        chance.shuffle(deck)
        return deck

    def troubles(self) -> list[str]:
        """What befalls engines and jobs beside being killed. Each costs a moment, or an attempt."""
        return [] if self.is_short else [*TROUBLES, *TROUBLES]

    def again(self) -> str:
        """How to run it once more."""
        real = " --real" if self.is_real else ""
        if self.is_short:
            return f"python -m tests.chaos --short --seed {self.seed}{real}"
        sizes = f"--transcriptions {self.transcriptions} --workers {self.workers} --kills {self.kills}"
        return f"python -m tests.chaos --seed {self.seed} {sizes} --outage {self.outage:g}{real}"


def short(seed: int = 1, is_real: bool = False) -> Plan:
    """For `make test`: half a minute."""
    return Plan(
        seed,
        transcriptions=16,
        workers=4,
        kills=6,
        outage=5.0,
        lease=60 if is_real else 8,
        is_short=True,
        is_real=is_real,
    )


def _deck(chance: random.Random, kinds: tuple[str, ...], size: int) -> list[str]:
    shuffled = cycle(chain(chance.sample(kinds, len(kinds))))
    return list(islice(shuffled, size))

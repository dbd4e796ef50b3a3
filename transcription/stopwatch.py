"""Measures how long the stages of a piece of work take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")
_END: Final = object()
SHORTEST = 0.0005


class Measured(NamedTuple):
    """When a stage first began and last ended, how long it took in all, how often it ran, and the longest run.

    Times are seconds since the work began. Kept in the database as a list of these, so that fields are only appended.
    """

    begin: float
    end: float
    seconds: float
    runs: int
    longest: float


@dataclass
class _Stage:
    begin: float
    end: float = 0.0
    seconds: float = 0.0
    runs: int = 0
    longest: float = 0.0


@dataclass
class Stopwatch:
    """Measures stages in one thread. What runs within another stage is not counted as the outer one's time.

    A stage may run many times, as decoding does between the windows of an engine.
    """

    _since: float = field(default_factory=time.monotonic)
    _stages: dict[str, _Stage] = field(default_factory=dict)
    _inner_seconds: list[float] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begin = time.monotonic()
        stage = self._stages.setdefault(name, _Stage(begin - self._since))
        self._inner_seconds.append(0.0)
        try:
            yield
        finally:
            end = time.monotonic()
            own = end - begin - self._inner_seconds.pop()
            if self._inner_seconds:
                self._inner_seconds[-1] += end - begin
            stage.end = end - self._since
            stage.seconds += own
            stage.longest = max(stage.longest, own)
            stage.runs += 1

    def each(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Yields the items; a run of the stage is waiting for one of them, or for the end."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                item = next(iterator, _END)
            if item is _END:
                return
            yield item  # type: ignore[misc]

    @property
    def stages(self) -> dict[str, Measured]:
        """What has been measured, to the millisecond, without stages that took none."""
        return {
            name: Measured(
                round(stage.begin, 3),
                round(stage.end, 3),
                round(stage.seconds, 3),
                stage.runs,
                round(stage.longest, 3),
            )
            for name, stage in self._stages.items()
            if stage.seconds >= SHORTEST
        }

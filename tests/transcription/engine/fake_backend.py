"""A backend without weights, whose models fail on marked windows, for tests of the scheduler."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from pickle import UnpicklingError

from benchmarks.weightless import Caller as Caller
from benchmarks.weightless import WeightlessBackend, WeightlessModel, WeightlessVocabulary
from transcription.engine.backend import Decoded, OutOfDeviceMemory, Work
from transcription.engine.types import EngineError, WindowResult

POISON = 13
"""The first sample of a window whose decoding raises RuntimeError."""

HUGE = 14
"""The first sample of a window whose admission raises OutOfDeviceMemory."""

NOT_A_NUMBER = 15
"""The first sample of a window whose average log-probability is NaN."""

NOT_A_HALF = 18
"""The first sample of a window whose average log-probability is NaN unless it is decoded in float32, and low in a short
context."""

DEADLY = 16
"""The first sample of a window that kills the process, as a crash in native code does."""

UNSURE = 17
"""The first sample of a window that needs a second temperature."""

UNENCODABLE = "☠"
"""A character in a prompt on which the tokenizer raises ValueError."""


@dataclass
class FakeBackend(WeightlessBackend):
    """Opens models of 100 MiB each, as many as fit into `capacity_mib`."""

    capacity_mib: float = 1e9
    free: float = 1e9
    broken: str = ""
    name: str = "fake"
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    models: dict[str, FakeModel] = field(default_factory=dict)

    def open(self, name: str, path: Path, beside: Collection[str] = ()) -> FakeModel:
        if name == self.broken:
            raise UnpicklingError("not a model")
        if 100.0 * (len(self.opened) - len(self.closed) + 1) > self.capacity_mib:
            raise OutOfDeviceMemory(f"no room for {name}")
        self.opened.append(name)
        self.models[name] = FakeModel(self.slots, self.steps, lambda: self.closed.append(name))
        return self.models[name]

    def memory_mib(self, path: Path) -> float:
        return 100.0

    def free_mib(self) -> float:
        return self.free


class FakeVocabulary(WeightlessVocabulary):
    def encode(self, text: str) -> list[int]:
        if UNENCODABLE in text:
            raise ValueError("no tokens for this")
        return super().encode(text)


class FakeModel(WeightlessModel):
    """Raises OutOfDeviceMemory in a step with more than `most` windows."""

    def __init__(self, slots: int, steps: int, on_close: Callable[[], None]) -> None:
        super().__init__(slots, steps)
        self.vocabulary = FakeVocabulary()
        self.most = slots
        self.is_closed = self.was_stepped_after_close = False
        self.on_close = on_close
        self.order: list[int] = []
        self.calls: list[int] = []
        self.batches: list[frozenset[int]] = []
        self.encoding_seconds = 0.0
        self.encoded_urgently: list[bool] = []
        self.evicted: list[int] = []
        self.widest = 0
        self.pause = threading.Event()
        self.pause.set()

    def encode(self, works: Sequence[Work]) -> None:
        time.sleep(self.encoding_seconds)
        self.encoded_urgently += [work.urgent for work in works]
        super().encode(works)

    def close(self) -> None:
        assert not self.under_way
        self.is_closed = True
        self.on_close()

    def decode(self, works: Sequence[Work]) -> list[Decoded]:
        self._record(works)
        self.calls.append(len(works))
        return super().decode(works)

    def admit(self, works: Sequence[Work]) -> None:
        self.pause.wait(10)
        if any(work.window.samples[0] == HUGE for work in works):
            raise OutOfDeviceMemory("no room for this one")
        super().admit(works)
        self.order += [int(work.window.samples[0]) for work in works]
        self.widest = max(self.widest, len(self.under_way))

    def step(self) -> None:
        time.sleep(0.001)
        self.was_stepped_after_close |= self.is_closed
        if len(self.under_way) > self.most:
            raise OutOfDeviceMemory("too many at once")
        self._record(self.under_way)
        super().step()

    def decoded(self, work: Work) -> Decoded:
        found, word = super().decoded(work), work.window.samples[0]
        if word == UNSURE and not work.temperature:
            return replace(found, avg_logprob=-2.0)
        return replace(found, avg_logprob=math.nan) if word in (NOT_A_NUMBER, NOT_A_HALF) else found

    def decode_apart(self, work: Work) -> Decoded:
        if work.window.samples[0] != NOT_A_HALF:
            return super().decode_apart(work)
        return replace(super().decoded(work), avg_logprob=-2.0 if work.window.is_short else -0.2)

    def evict(self, work: Work) -> None:
        self.evicted.append(int(work.window.samples[0]))
        super().evict(work)

    def _record(self, works: Iterable[Work]) -> None:
        words = frozenset(int(work.window.samples[0]) for work in works)
        self.batches.append(words)
        if DEADLY in words:
            os.kill(os.getpid(), signal.SIGKILL)
        if POISON in words:
            raise RuntimeError("a poisoned window")


def text_of(outcome: WindowResult | EngineError) -> str:
    assert isinstance(outcome, WindowResult), outcome
    return "".join(segment.text for segment in outcome.segments)

"""Models at the boundary that hear without weights, and misbehave when told to: for what the loops do with them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError

import numpy as np

from transcription.engine.backend import Decoded, Language, OutOfDeviceMemory, WordTiming, Work
from transcription.engine.types import DecodeOptions, EngineError, Lane, Window, WindowResult
from transcription.engine.waiting import Stream, Ticket

BEGIN = 1000
POISON = 13
"""The first sample of a window that breaks whatever decodes it."""

HUGE = 14
"""That of a window that fits into no memory."""

NOT_A_NUMBER = 15
"""That of a window whose probabilities are none."""


class ToyVocabulary:
    eot = 900
    timestamp_begin = BEGIN
    languages = frozenset({"en", "es"})

    def encode(self, text: str) -> list[int]:
        return [ord(letter) % 800 for letter in text]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(f" w{token}" for token in tokens if token < self.eot)


def decoded(work: Work) -> Decoded:
    """The window's first sample as a word, from its start to its end."""
    word = int(work.window.samples[0])
    tokens = (BEGIN, word, BEGIN + 50)
    return Decoded(tokens, ToyVocabulary().decode(tokens), math.nan if word == NOT_A_NUMBER else -0.2, 0.0)


@dataclass
class ToyBackend:
    """`capacity_mib` of room for models of 100 MiB each."""

    workers: int = 0
    urgent_workers: int = 0
    capacity_mib: float = 1e9
    free: float = 1e9
    broken: str = ""
    slots: int = 4
    steps: int = 3
    name: str = "toy"
    library_version: str = "1"
    device: str = "cpu"
    compute_type: str = "none"
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    models: dict[str, ToyStepModel] = field(default_factory=dict)

    def open(self, name: str, path: Path) -> ToyStepModel:
        if name == self.broken:
            raise UnpicklingError("not a model")
        if 100.0 * (len(self.opened) - len(self.closed) + 1) > self.capacity_mib:
            raise OutOfDeviceMemory(f"no room for {name}")
        self.opened.append(name)
        self.models[name] = ToyStepModel(self.slots, self.steps, lambda: self.closed.append(name))
        return self.models[name]

    def memory_mib(self, path: Path) -> float:
        return 100.0

    def free_mib(self) -> float:
        return self.free

    def gpu_memory_mib(self) -> None:
        return None


class ToyStepModel:
    """Takes `steps` steps for a window. `most` windows fit into its memory, whatever its slots say."""

    def __init__(self, slots: int, steps: int, on_close: Callable[[], None]) -> None:
        self.vocabulary = ToyVocabulary()
        self.limit = slots
        self.most = slots
        self.steps = steps
        self.on_close = on_close
        self.under_way: dict[Work, int] = {}
        self.order: list[int] = []
        self.calls: list[int] = []
        self.encoding_seconds = 0.0
        self.widest = 0
        self.pause = threading.Event()
        self.pause.set()

    def encode(self, works: Sequence[Work]) -> None:
        time.sleep(self.encoding_seconds)
        for work in works:
            work.encoding = "heard"

    def detect(self, works: Sequence[Work]) -> list[Language]:
        return [Language("es", 0.8) for _ in works]

    def align(self, works: Sequence[Work], texts: Sequence[Sequence[int]]) -> list[list[WordTiming]]:
        return [[WordTiming(f" w{token}", [token], 0.1, 0.4, 0.9) for token in text] for text in texts]

    def close(self) -> None:
        assert not self.under_way
        self.on_close()

    def batch_key(self, work: Work) -> Hashable:
        return 0

    def decode(self, works: Sequence[Work]) -> list[Decoded]:
        self._look_at(works)
        self.calls.append(len(works))
        return [decoded(work) for work in works]

    def room(self, works: Sequence[Work]) -> bool:
        return len(self.under_way) + len(works) <= self.limit

    def admit(self, works: Sequence[Work]) -> None:
        self.pause.wait(10)
        if any(work.window.samples[0] == HUGE for work in works):
            raise OutOfDeviceMemory("no room for this one")
        for work in works:
            self.under_way[work] = self.steps
            self.order.append(int(work.window.samples[0]))
        self.widest = max(self.widest, len(self.under_way))

    def step(self) -> None:
        time.sleep(0.001)
        if len(self.under_way) > self.most:
            raise OutOfDeviceMemory("too many at once")
        self._look_at(self.under_way)
        self.under_way = {work: left - 1 for work, left in self.under_way.items()}

    def finished(self) -> list[tuple[Work, Decoded]]:
        done = [work for work, left in self.under_way.items() if left <= 0]
        for work in done:
            del self.under_way[work]
        return [(work, decoded(work)) for work in done]

    def evict(self, work: Work) -> None:
        self.under_way.pop(work, None)

    def halve(self) -> None:
        self.limit = max(1, self.limit // 2)

    def _look_at(self, works: Iterable[Work]) -> None:
        if any(work.window.samples[0] == POISON for work in works):
            raise RuntimeError("a poisoned window")


@dataclass
class Caller:
    """Somebody with windows, who keeps the answers by the word that each window is to be heard as."""

    lane: Lane = "standard"
    model: str = "base"
    language: str | None = "en"
    words: bool = False
    answers: dict[int, WindowResult | EngineError] = field(default_factory=dict)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.stream = Stream(self.lane)

    def ticket(self, word: int) -> Ticket:
        window = Window(word, 0.0, 1.0, np.full(16_000, word, dtype=np.int16))
        options = DecodeOptions(self.model, lane=self.lane, word_timestamps=self.words)
        return Ticket(Work(window, options, self.language), self.stream, lambda outcome: self._take(word, outcome))

    def wait_for(self, count: int) -> dict[int, WindowResult | EngineError]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.answers) >= count, 20), self.answers
            return dict(self.answers)

    def _take(self, word: int, outcome: WindowResult | EngineError) -> None:
        with self.arrived:
            self.answers[word] = outcome
            self.arrived.notify_all()


def text_of(outcome: WindowResult | EngineError) -> str:
    assert isinstance(outcome, WindowResult), outcome
    return "".join(segment.text for segment in outcome.segments)

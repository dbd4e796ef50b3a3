"""A model without weights, that hears a window's first sample as a word: for what the engine takes beside its model."""

from __future__ import annotations

import threading
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from transcription.engine.backend import Backend, Decoded, Language, WordTiming, Work
from transcription.engine.lane_queue import Request, Stream
from transcription.engine.types import DecodeOptions, EngineError, Lane, Window, WindowResult

PATIENCE_SECONDS = 20.0


class WeightlessVocabulary:
    eot = 900
    timestamp_begin = 1000
    is_whispers = True
    languages = frozenset({"en", "es"})

    def encode(self, text: str) -> list[int]:
        return [ord(letter) % 800 for letter in text]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(f" w{token}" for token in tokens if token < self.eot)


class WeightlessModel:
    """Both a BatchModel and a StepModel, with `steps` steps for a window."""

    is_short = False

    def __init__(self, slots: int, steps: int) -> None:
        self.vocabulary = WeightlessVocabulary()
        self.limit = slots
        self.steps = steps
        self.under_way: dict[Work, int] = {}

    @property
    def slots(self) -> int:
        return self.limit

    def encode(self, works: Sequence[Work]) -> None:
        for work in works:
            work.encoding = "heard"

    def detect(self, works: Sequence[Work]) -> list[Language]:
        return [Language("es", 0.8) for _ in works]

    def align(self, works: Sequence[Work], texts: Sequence[Sequence[int]]) -> list[list[WordTiming]]:
        return [[WordTiming(f" w{token}", [token], 0.1, 0.4, 0.9) for token in text] for text in texts]

    def close(self) -> None:
        pass

    def batch_key(self, work: Work) -> Hashable:
        return 0

    def decode(self, works: Sequence[Work]) -> list[Decoded]:
        return [self.decoded(work) for work in works]

    def room(self, works: Sequence[Work]) -> bool:
        return len(self.under_way) + len(works) <= self.limit

    def admit(self, works: Sequence[Work]) -> None:
        self.under_way |= dict.fromkeys(works, self.steps)

    def step(self) -> None:
        self.under_way = {work: left - 1 for work, left in self.under_way.items()}

    def finished(self) -> Sequence[tuple[Work, Decoded | Exception]]:
        done = [work for work, left in self.under_way.items() if left <= 0]
        for work in done:
            del self.under_way[work]
        return [(work, self._outcome(work)) for work in done]

    def _outcome(self, work: Work) -> Decoded | Exception:
        try:
            return self.decoded(work)
        except ArithmeticError as error:
            return error

    def decode_apart(self, work: Work) -> Decoded:
        return self.decoded(work)

    def evict(self, work: Work) -> None:
        self.under_way.pop(work, None)

    def halve(self) -> None:
        self.limit = max(1, self.limit // 2)

    def decoded(self, work: Work) -> Decoded:
        """The window's first sample as a word, from its start to its end."""
        begin, word = self.vocabulary.timestamp_begin, int(work.window.samples[0])
        tokens = (begin, word, begin + 50)
        return Decoded(tokens, self.vocabulary.decode(tokens), -0.2, 0.0)


@dataclass
class WeightlessBackend(Backend):
    """`workers` as backend.Backend has it: 0 for slots."""

    workers: int = 0
    urgent_workers: int = 0
    encoders: int = 1
    slots: int = 4
    steps: int = 3
    name: str = "weightless"
    library_version: str = "1"
    device: str = "cpu"
    compute_type: str = "none"

    def open(self, name: str, path: Path, beside: Collection[str] = ()) -> WeightlessModel:
        return WeightlessModel(self.slots, self.steps)

    def memory_mib(self, path: Path) -> float:
        return 0.0

    def free_mib(self) -> float:
        return float("inf")


@dataclass
class Caller:
    """Somebody with windows, who keeps the answers by the word that each window is to be heard as."""

    lane: Lane = "standard"
    model: str = "base"
    language: str | None = "en"
    words: bool = False
    prompt: str = ""
    answers: dict[int, WindowResult | EngineError] = field(default_factory=dict)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.stream = Stream(self.lane)

    def request(self, word: int) -> Request:
        window = Window(word, 0.0, 1.0, np.full(16_000, word, dtype=np.int16))
        options = DecodeOptions(self.model, lane=self.lane, word_timestamps=self.words, prompt=self.prompt)
        return Request(Work(window, options, self.language), self.stream, lambda outcome: self._take(word, outcome))

    def wait_for(self, count: int) -> dict[int, WindowResult | EngineError]:
        """So many answers. Raises TimeoutError."""
        with self.arrived:
            if not self.arrived.wait_for(lambda: len(self.answers) >= count, PATIENCE_SECONDS):
                raise TimeoutError(f"{len(self.answers)} of {count} answers")
            return dict(self.answers)

    def _take(self, word: int, outcome: WindowResult | EngineError) -> None:
        with self.arrived:
            self.answers[word] = outcome
            self.arrived.notify_all()

"""Engines' backends that misbehave when told to: a real one, and one without a model.

The words of the latter are a function of the samples.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Hashable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tests.chaos import recordings
from tests.chaos.orders import Orders, die
from transcription.engine.backend import Backend, Decoded, DeviceLost, Language, OutOfDeviceMemory, WordTiming, Work
from transcription.engine.types import FRAMES_PER_SECOND, SAMPLE_RATE

HANGS, RAISES, IS_FULL, LOSES_ITS_DEVICE = "engine.hang", "engine.raise", "engine.full", "engine.lost"
TROUBLES = (HANGS, RAISES, IS_FULL, LOSES_ITS_DEVICE)
LANGUAGES = ("en", "de", "fr", "es")
WORDS = (
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron"),
    *("inlet", "jetty", "knoll", "larch", "marsh", "north", "ocean", "pearl"),
)
PIECE_SECONDS = 5.0
WORDS_IN_A_PIECE = 6
END = 256 + len(LANGUAGES) + 1
FULL_STOP = END - 1
TIMESTAMPS = END + 1


class ChaosVocabulary:
    """A token for each word that is said here, for each language, and for a full stop."""

    eot = END
    timestamp_begin = TIMESTAMPS
    is_whispers = True
    languages = frozenset(LANGUAGES)

    def encode(self, text: str) -> list[int]:
        return list(text.encode())[:200]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(self._text(token) for token in tokens if token < END)

    def _text(self, token: int) -> str:
        if token == FULL_STOP:
            return "."
        return f" {LANGUAGES[token - 256]}" if token >= 256 else f" {WORDS[token % 16]}{token // 16:x}"


class ChaosBackend(Backend):
    """Takes the time that a small GPU would: a moment for each batch, and more for longer windows."""

    name = "chaos"
    library_version = "1"
    device = "cpu"
    compute_type = "none"
    workers = 1

    def __init__(self, slowness: float) -> None:
        """`slowness`: seconds of work for each second of the longest window in a batch."""
        self._slowness = slowness

    def open(self, name: str, path: Path, beside: Collection[str] = ()) -> ChaosModel:
        time.sleep(0.2)
        return ChaosModel(self._slowness)

    def memory_mib(self, path: Path) -> float:
        return 1.0


class DisturbedBackend:
    """A real backend, whose models misbehave."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def open(self, name: str, path: Path, beside: Collection[str] = ()) -> DisturbedModel:
        return DisturbedModel(self._backend.open(name, path, beside))


class DisturbedModel:
    """A real model that misbehaves."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._misbehaviour = Misbehaviour()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def decode(self, batch: Sequence[Work]) -> list[Decoded]:
        self._misbehaviour(batch)
        result: list[Decoded] = self._model.decode(batch)
        return result


class ChaosModel:
    """Hears words in anything."""

    def __init__(self, slowness: float) -> None:
        self.vocabulary = ChaosVocabulary()
        self._slowness = slowness
        self._misbehaviour = Misbehaviour()

    def encode(self, works: Sequence[Work]) -> None:
        pass

    def detect(self, works: Sequence[Work]) -> list[Language]:
        return [Language(language_of(work), 0.9) for work in works]

    def align(self, works: Sequence[Work], texts: Sequence[Sequence[int]]) -> list[list[WordTiming]]:
        return [[] for _ in works]

    def close(self) -> None:
        pass

    def batch_key(self, work: Work) -> Hashable:
        return work.temperature

    def decode(self, batch: Sequence[Work]) -> list[Decoded]:
        self._misbehaviour(batch)
        time.sleep(0.05 + self._slowness * max(len(work.window.samples) for work in batch) / SAMPLE_RATE)
        return [decoded(work) for work in batch]


class Misbehaviour:
    """What befalls a model's batches by order; the first one, which tries the model, is spared."""

    def __init__(self) -> None:
        self._orders = Orders.of_this_run()
        self._is_tried_out = False
        self._poisoned: Work | None = None

    def __call__(self, batch: Sequence[Work]) -> None:
        if not self._is_tried_out:
            self._is_tried_out = True
            return
        if any(recordings.is_marked(work.window.samples, recordings.KILLS_ITS_ENGINE) for work in batch):
            die()
        if self._orders.take("engine.kill"):
            die()
        if self._orders.take(HANGS):
            time.sleep(3600)
        self._choke(batch)
        if self._orders.take(IS_FULL):
            raise OutOfDeviceMemory("by order")
        if self._orders.take(LOSES_ITS_DEVICE):
            raise DeviceLost("by order")

    def _choke(self, batch: Sequence[Work]) -> None:
        """On one window, in whichever company it comes, until it comes alone."""
        if self._poisoned is None and self._orders.take(RAISES):
            self._poisoned = batch[0]
        if self._poisoned in batch:
            if len(batch) == 1:
                self._poisoned = None
            raise RuntimeError("a poisoned window, by order")


def language_of(work: Work) -> str:
    return LANGUAGES[hashlib.sha256(work.window.samples.tobytes()).digest()[0] % len(LANGUAGES)]


def decoded(work: Work) -> Decoded:
    """Pieces of five seconds; in exact mode a full window's last one is left unfinished, for the next window."""
    language = work.language or LANGUAGES[0]
    heard = hashlib.sha512(language.encode() + work.window.samples.tobytes() + repr(work.prompt).encode()).digest()
    seconds = _seconds(work)
    count = max(1, int(seconds // PIECE_SECONDS))
    pieces = [_piece(heard, number, count, seconds, language) for number in range(count)]
    if work.window.passage is not None and count == 30 // PIECE_SECONDS:
        pieces[-1] = pieces[-1][:-1]
    tokens = tuple(chain.from_iterable(pieces))
    return Decoded(tokens, ChaosVocabulary().decode(tokens), avg_logprob=-0.3, no_speech_prob=0.01)


def _seconds(work: Work) -> float:
    passage = work.window.passage
    return passage.frames / FRAMES_PER_SECOND if passage else len(work.window.samples) / SAMPLE_RATE


def _piece(heard: bytes, number: int, count: int, seconds: float, language: str) -> list[int]:
    """A timestamp, words, and a timestamp."""
    start, end = (TIMESTAMPS + int(50 * seconds * n / count) for n in (number, number + 1))
    words = hashlib.sha256(heard + bytes([number])).digest()[:WORDS_IN_A_PIECE]
    return [start, 256 + LANGUAGES.index(language), *words, FULL_STOP, end]

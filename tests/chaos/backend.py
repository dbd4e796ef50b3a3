"""An engine's backend without a model: its words are a function of the samples, and it misbehaves when told to."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Hashable, Sequence
from pathlib import Path

from tests.chaos import recordings
from tests.chaos.orders import Orders, die
from transcription.engine.backend import Decoded, DeviceLost, Language, OutOfDeviceMemory, Piece, Work
from transcription.engine.types import SAMPLE_RATE
from transcription.engine.windows import Samples

HANGS, RAISES, IS_FULL, LOSES_ITS_DEVICE = "engine.hang", "engine.raise", "engine.full", "engine.lost"
TROUBLES = (HANGS, RAISES, IS_FULL, LOSES_ITS_DEVICE)
LANGUAGES = ("en", "de", "fr", "es")
WORDS = (
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron"),
    *("inlet", "jetty", "knoll", "larch", "marsh", "north", "ocean", "pearl"),
)
PIECE_SECONDS = 5.0


class ChaosBackend:
    """Takes the time that a small GPU would: a moment for each batch, and more for longer windows."""

    name = "chaos"
    library_version = "1"
    device = "cpu"
    compute_type = "none"
    workers = 1
    gather_seconds = 0.0

    def __init__(self, slowness: float) -> None:
        """`slowness`: seconds of work for each second of the longest window in a batch."""
        self._slowness = slowness
        self._orders = Orders.of_this_run()
        self._is_tried_out = False
        self._poisoned: Work | None = None

    def load(self, models: dict[str, Path]) -> None:
        time.sleep(0.2)

    def knows(self, model: str, language: str) -> bool:
        return True

    def detect(self, batch: Sequence[Work]) -> list[Language]:
        return [Language(language_of(work.window.samples), 0.9) for work in batch]

    def batch_key(self, work: Work) -> Hashable:
        return work.temperature

    def decode(self, batch: Sequence[Work]) -> list[Decoded]:
        if self._is_tried_out:
            self._misbehave(batch)
        self._is_tried_out = True
        time.sleep(0.05 + self._slowness * max(len(work.window.samples) for work in batch) / SAMPLE_RATE)
        return [decoded(work.window.samples, work.language or "") for work in batch]

    def gpu_memory_mib(self) -> tuple[float, float] | None:
        return None

    def _misbehave(self, batch: Sequence[Work]) -> None:
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


def language_of(samples: Samples) -> str:
    return LANGUAGES[hashlib.sha256(samples.tobytes()).digest()[0] % len(LANGUAGES)]


def decoded(samples: Samples, language: str) -> Decoded:
    seconds = len(samples) / SAMPLE_RATE
    count = max(1, int(seconds // PIECE_SECONDS))
    digest = hashlib.sha512(language.encode() + samples.tobytes()).digest()
    pieces = tuple(
        Piece(seconds * n / count, seconds * (n + 1) / count, tuple(_few(digest, n)), _text(digest, n, language))
        for n in range(count)
    )
    return Decoded(pieces, avg_logprob=-0.3, no_speech_prob=0.01, compression_ratio=1.2)


def _few(digest: bytes, number: int) -> bytes:
    return hashlib.sha256(digest + bytes([number])).digest()[:6]


def _text(digest: bytes, number: int, language: str) -> str:
    words = " ".join(f"{WORDS[byte % 16]}{byte // 16:x}" for byte in _few(digest, number))
    return f" {language} {words}."

"""Keeps the encodings of the latest windows, from which their tails are decoded."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, Self, TypeVar

import numpy as np

from transcription.engine.backend import Work, by_encoder_frames
from transcription.engine.types import Window

MOST = 16
"""Windows: as many as are encoded and decoded while the first of them is answered. 3 MiB each with base, 7.5 with
large-v3."""


class Encoding(Protocol):
    """An array, or what stands for one elsewhere than in the host's memory."""

    def copy(self) -> Self: ...


E = TypeVar("E", bound=Encoding)


class Encodings(Generic[E]):
    """The encodings of the latest windows by their samples and the frames that were encoded. Thread-safe."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, E] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, window: Window, encoding: E) -> None:
        """Keeps a copy of an encoding, (encoder_frames // 2, state), and drops the oldest beyond MOST."""
        key, encoding = _digest(window), encoding.copy()
        with self._lock:
            self._kept[key] = encoding
            self._kept.move_to_end(key)
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)

    def encode(
        self, works: Iterable[Work], encoded: Callable[[Sequence[Work]], Iterable[E]], held: Callable[[E], object]
    ) -> None:
        """Sets the `encoding` of works without one: of a tail that of its window, if that is kept.

        encoded: encodes works of one length. held: what a work has of an encoding.
        """
        missing = []
        for work in (work for work in works if work.encoding is None):
            if work.window.tail is not None and (kept := self.find(work.window)) is not None:
                work.encoding = held(kept)
            else:
                missing.append(work)
        for some in by_encoder_frames(missing):
            for work, encoding in zip(some, encoded(some), strict=True):
                work.encoding = held(encoding)
                if work.window.passage is None and work.window.tail is None:  # a tail of it may follow
                    self.keep(work.window, encoding)

    def find(self, window: Window) -> E | None:
        """Returns the encoding of a window with the same samples and frames; None if it is no longer kept."""
        key = _digest(window)
        with self._lock:
            return self._kept.get(key)


def _digest(window: Window) -> bytes:
    salt = window.encoder_frames.to_bytes(2, "big")
    return hashlib.blake2b(np.ascontiguousarray(window.samples).tobytes(), digest_size=16, salt=salt).digest()

"""Where to cut a long recording: at silences, into stretches that a window can hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transcription.engine.types import WINDOW_SAMPLES
from transcription.engine.vad import FRAME_SAMPLES

SPEECH = 0.5
"""From this probability on a frame is speech: Silero's own threshold."""

VOICED = 0.35
"""Above this a frame goes on being speech, where speech was before."""

LONGEST = WINDOW_SAMPLES // FRAME_SAMPLES
"""Frames in a window: 937, or 29.98 s."""

EARLIEST = LONGEST * 7 // 10
"""A full window is cut in its last third, or it would be wasteful."""

PADDING = 10
"""Frames (0.32 s) of silence kept around speech: consonants are quiet."""

LONG_SILENCE = 156
"""Frames (5 s) of silence that end a window before it is full."""

PAUSE = 10
"""Frames (0.32 s) of silence between sentences rather than within a word."""

SHORTEST_SPEECH = 3
"""Frames (0.1 s) of speech below which a window is a cough or a click."""


class Stretch(NamedTuple):
    """Frames [start, end) of the recording."""

    start: int
    end: int


class Cutter:
    """Turns a stream of speech probabilities into stretches of at most 30 s.

    What it holds back is at most one window and one block of probabilities.
    """

    def __init__(self) -> None:
        self.first = 0
        """The first frame that may still become part of a stretch."""
        self._pending = np.zeros(0, dtype=np.float32)

    def feed(self, probabilities: NDArray[np.float32]) -> Iterator[Stretch]:
        """Stretches that are certain after these frames; probabilities has shape (n,)."""
        self._pending = np.concatenate([self._pending, probabilities])
        while self._skip_silence(PADDING) and len(self._pending) >= LONGEST:
            yield from self._take(_full_window_end(self._pending[:LONGEST]))

    def finish(self) -> Iterator[Stretch]:
        """The stretches that remain when the recording ends."""
        while self._skip_silence(0):
            if len(self._pending) > LONGEST:
                yield from self._take(_full_window_end(self._pending[:LONGEST]))
            else:
                yield from self._take(_last_window_end(self._pending))

    def _skip_silence(self, keep: int) -> bool:
        """Drop silence up to the padding before the next speech; False if there is none."""
        speech = np.flatnonzero(self._pending >= SPEECH)
        opening = int(speech[0]) - PADDING if len(speech) else len(self._pending) - keep
        self._drop(max(0, opening))
        return len(speech) > 0

    def _take(self, end: int) -> Iterator[Stretch]:
        speech = int(np.count_nonzero(self._pending[:end] >= SPEECH))
        if speech >= SHORTEST_SPEECH:
            yield Stretch(self.first, self.first + end)
        self._drop(end)

    def _drop(self, frames: int) -> None:
        self._pending = self._pending[frames:]
        self.first += frames


def _silences(probabilities: NDArray[np.float32]) -> list[Stretch]:
    """Runs of frames without voice."""
    quiet = np.concatenate([[False], probabilities < VOICED, [False]])
    edges = np.flatnonzero(quiet[1:] != quiet[:-1])
    return [Stretch(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _early_end(probabilities: NDArray[np.float32]) -> int | None:
    """The frame at which a long silence ends the window, if one does."""
    for start, end in _silences(probabilities):
        if start > 0 and end - start >= LONG_SILENCE:
            return start + PADDING
    return None


def _full_window_end(probabilities: NDArray[np.float32]) -> int:
    """The frame at which to cut a window that more recording follows.

    At the last pause of its last third: each window costs an encoding, so that they should be full. Where
    there is none at the longest silence there, and where there is no silence either, at the frame that is least
    like speech.
    """
    early = _early_end(probabilities)
    if early is not None:
        return early
    late = [s for s in _silences(probabilities) if s.start >= EARLIEST]
    if not late:
        return EARLIEST + int(np.argmin(probabilities[EARLIEST:]))
    pauses = [silence for silence in late if silence.end - silence.start >= PAUSE]
    start, end = pauses[-1] if pauses else max(late, key=lambda silence: silence.end - silence.start)
    return start + min(PADDING, (end - start + 1) // 2)


def _last_window_end(probabilities: NDArray[np.float32]) -> int:
    """The frame at which the recording's last window ends."""
    early = _early_end(probabilities)
    if early is not None:
        return early
    voiced = int(np.flatnonzero(probabilities >= VOICED)[-1])
    return min(len(probabilities), voiced + 1 + PADDING)

"""Cuts a recording at silences into stretches that fit into a window; where there is no pause they overlap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transcription.engine.types import WINDOW_SAMPLES
from transcription.engine.vad import FRAME_SAMPLES

SPEECH_PROBABILITY = 0.5
"""Probability from which a frame is speech: Silero's default threshold."""

SILENCE_PROBABILITY = 0.35
"""Probability below which a frame is silence: Silero's default, its threshold less 0.15."""

MAX_FRAMES = WINDOW_SAMPLES // FRAME_SAMPLES
"""Frames of 32 ms in a window: 937, or 29.98 s."""

EARLIEST_CUT = MAX_FRAMES * 7 // 10
"""The first frame at which a full window may be cut: each window costs an encoding of 30 s, however short it is."""

PADDING_FRAMES = 10
"""Frames (0.32 s) of silence kept around speech, as quiet consonants may look like silence."""

LONG_SILENCE_FRAMES = 156
"""Frames (5 s) of silence that end a window before it is full."""

PAUSE_FRAMES = 10
"""Frames (0.32 s) from which a silence counts as a pause between sentences, not as one within a word."""

MIN_SPEECH_FRAMES = 3
"""Frames (0.1 s) of speech that a stretch must hold: fewer may be a cough or a click."""

MAX_OVERLAP, MIN_OVERLAP = 47, 24
"""Frames (1.5 s and 0.77 s) before a cut without a pause between which the next stretch begins."""


class Stretch(NamedTuple):
    """The half-open range [start, end) of frames of 32 ms.

    overlap: frames at its end that the next one begins with, too.
    """

    start: int
    end: int
    overlap: int = 0


class _Cut(NamedTuple):
    """The frame after a window's last one, and how many before it the next window hears, too."""

    end: int
    overlap: int = 0


class Cutter:
    """Turns a stream of speech probabilities into stretches of at most 30 s.

    Keeps at most one window and one block of probabilities.
    """

    def __init__(self) -> None:
        self.first = 0
        """The first frame that may still be part of a future stretch."""
        self._pending = np.zeros(0, dtype=np.float32)

    def feed(self, probabilities: NDArray[np.float32]) -> Iterator[Stretch]:
        """Adds the probabilities of the next frames, (n,), and yields the stretches that are complete with them."""
        self._pending = np.concatenate([self._pending, probabilities])
        while self._skip_silence(PADDING_FRAMES) and len(self._pending) >= MAX_FRAMES:
            yield from self._take(_full_window_cut(self._pending[:MAX_FRAMES]))

    def finish(self) -> Iterator[Stretch]:
        """Yields the stretches up to the recording's end. Call it after the last `feed`."""
        while self._skip_silence(0):
            if len(self._pending) > MAX_FRAMES:
                yield from self._take(_full_window_cut(self._pending[:MAX_FRAMES]))
            else:
                yield from self._take(_Cut(_last_window_end(self._pending)))

    def _skip_silence(self, keep: int) -> bool:
        """Drops the silence before the next speech, but for its padding. Returns whether there is speech.

        keep: frames to keep where there is none.
        """
        speech = np.flatnonzero(self._pending >= SPEECH_PROBABILITY)
        opening = int(speech[0]) - PADDING_FRAMES if len(speech) else len(self._pending) - keep
        self._drop(max(0, opening))
        return len(speech) > 0

    def _take(self, cut: _Cut) -> Iterator[Stretch]:
        """Removes the frames before a cut, but for the overlap, and yields them all if they hold enough speech."""
        if _holds_speech(self._pending[: cut.end]):
            yield Stretch(self.first, self.first + cut.end, cut.overlap)
        self._drop(cut.end - cut.overlap)

    def _drop(self, frames: int) -> None:
        self._pending = self._pending[frames:]
        self.first += frames


def _holds_speech(probabilities: NDArray[np.float32]) -> bool:
    return int(np.count_nonzero(probabilities >= SPEECH_PROBABILITY)) >= MIN_SPEECH_FRAMES


def _silences(probabilities: NDArray[np.float32]) -> list[Stretch]:
    """Returns the runs of frames below SILENCE_PROBABILITY."""
    quiet = np.concatenate([[False], probabilities < SILENCE_PROBABILITY, [False]])
    edges = np.flatnonzero(quiet[1:] != quiet[:-1])
    return [Stretch(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _early_end(probabilities: NDArray[np.float32]) -> int | None:
    """Returns the frame at which a long silence ends the window, or None if there is no long silence."""
    for start, end, _ in _silences(probabilities):
        if start > 0 and end - start >= LONG_SILENCE_FRAMES:
            return start + PADDING_FRAMES
    return None


def _full_window_cut(probabilities: NDArray[np.float32]) -> _Cut:
    """Returns where to cut a window that is not the last one.

    That is in the last pause after EARLIEST_CUT; without a pause in the longest silence there, and without a silence at
    the frame with the lowest probability. The last two may be within a word: the next window overlaps.
    """
    early = _early_end(probabilities)
    if early is not None:
        return _Cut(early)
    late = [s for s in _silences(probabilities) if s.start >= EARLIEST_CUT]
    if not late:
        return _overlapping(probabilities, EARLIEST_CUT + int(np.argmin(probabilities[EARLIEST_CUT:])))
    pauses = [silence for silence in late if silence.end - silence.start >= PAUSE_FRAMES]
    start, end, _ = pauses[-1] if pauses else max(late, key=lambda silence: silence.end - silence.start)
    cut = start + min(PADDING_FRAMES, (end - start + 1) // 2)
    return _Cut(cut) if pauses else _overlapping(probabilities, cut)


def _overlapping(probabilities: NDArray[np.float32], end: int) -> _Cut:
    """Returns a cut at a frame, with an overlap that begins where speech is least probable.

    There is none where it would hold no speech, so that a stretch with an overlap is always followed by another.
    """
    start = end - MAX_OVERLAP + int(np.argmin(probabilities[end - MAX_OVERLAP : end - MIN_OVERLAP]))
    return _Cut(end, end - start if _holds_speech(probabilities[start:end]) else 0)


def _last_window_end(probabilities: NDArray[np.float32]) -> int:
    """Returns the frame at which the recording's last window ends."""
    early = _early_end(probabilities)
    if early is not None:
        return early
    voiced = int(np.flatnonzero(probabilities >= SILENCE_PROBABILITY)[-1])
    return min(len(probabilities), voiced + 1 + PADDING_FRAMES)

"""Tails of windows in fast mode: the speech after a window's last segment, decoded while other windows are decoded.

Whisper sometimes ends a window's text seconds before the speech in it ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from transcription.engine.cutter import SPEECH
from transcription.engine.fallback import RESET_ABOVE
from transcription.engine.types import SAMPLE_RATE, TIMESTAMPS_PER_SECOND, Tail, Window, WindowResult
from transcription.engine.vad import FRAME_SAMPLES, VoiceDetector
from transcription.engine.windows import whole_frames

UNHEARD_SECONDS = 2.0
"""A tail that is shorter is not decoded."""

UNHEARD_SPEECH = 16
"""Frames (0.5 s) of speech that a tail must hold to be decoded."""

TOLERANCE_SECONDS = 0.02
"""One timestamp: the start of a tail is rounded to it."""

AT_ONCE = 2
"""TailWindows of one recording: each has a turn of its own at the engine, beside the recording's other windows."""

MOST_WAITING = 16
LOOK_SECONDS = 1.0

Again = Callable[[Window, str], WindowResult]
"""Decodes one window, or its tail, in a language."""


@dataclass(slots=True)
class _Heard:
    """A window's result and the future result of its tail, if it has one."""

    result: WindowResult
    tail: Future[WindowResult] | None

    @property
    def is_whole(self) -> bool:
        return self.tail is None or self.tail.done()

    def whole(self) -> WindowResult:
        """Raises what transcript the tail raised."""
        if self.tail is None:
            return self.result
        known = self.result.segments
        more = [segment for segment in self.tail.result().segments if segment.start > known[-1].end - TOLERANCE_SECONDS]
        return replace(self.result, segments=(*known, *more))


class TailWindows:
    """Takes results in order and yields them in the same order, each with the segments of its tail appended.

    again: decodes a tail; it is called in threads, for several tails at once. on_wait: is called every second in
    which only tails are waited for.
    """

    def __init__(self, again: Again, on_wait: Callable[[], None] = lambda: None) -> None:
        self._again = again
        self._on_wait = on_wait
        self._threads = ThreadPoolExecutor(AT_ONCE, "tail")
        self._heard: deque[_Heard] = deque()

    def add(self, result: WindowResult, window: Window) -> None:
        """Adds a result. Blocks while MOST_WAITING tails are unfinished: each holds its samples."""
        tail = tail_of(window, result)
        unfinished = [heard for heard in self._heard if not heard.is_whole]
        if tail and len(unfinished) >= MOST_WAITING:
            self._wait_for(unfinished[0])
        again = self._threads.submit(self._again, tail, result.language) if tail else None
        self._heard.append(_Heard(result, again))

    def whole(self) -> Iterator[WindowResult]:
        """Yields the complete results up to the first incomplete one."""
        while self._heard and self._heard[0].is_whole:
            yield self._heard.popleft().whole()

    def all(self) -> Iterator[WindowResult]:
        """Yields all remaining results, each when it is complete."""
        while self._heard:
            self._wait_for(self._heard[0])
            yield self._heard.popleft().whole()

    def close(self) -> None:
        """Cancels the tails that have not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _wait_for(self, heard: _Heard) -> None:
        while heard.tail is not None and not heard.tail.done():
            wait([heard.tail], LOOK_SECONDS)
            self._on_wait()


def tail_of(window: Window, result: WindowResult) -> Window | None:
    """Returns the window with its tail set; None where the tail is too short or holds no speech."""
    heard_until = result.segments[-1].end if result.segments else window.end
    if window.end - heard_until < UNHEARD_SECONDS:
        return None
    begin = round((heard_until - window.start) * SAMPLE_RATE)
    if not _is_spoken(window.samples[begin:]):
        return None
    after = round((heard_until - window.start) * TIMESTAMPS_PER_SECOND)
    return replace(window, tail=Tail(after, _context(result)))


def tail_window(window: Window) -> Window:
    """Returns a window that consists of another window's tail."""
    assert window.tail is not None, "it has a tail"
    seconds = window.tail.after / TIMESTAMPS_PER_SECOND
    samples = window.samples[round(seconds * SAMPLE_RATE) :]
    return replace(window, start=window.start + seconds, samples=samples, tail=None)


def _context(result: WindowResult) -> tuple[int, ...]:
    if result.segments[-1].temperature > RESET_ABOVE:
        return ()
    return tuple(token for segment in result.segments for token in segment.tokens)


def _is_spoken(samples: NDArray[np.int16]) -> bool:
    probabilities = VoiceDetector().probabilities(whole_frames(samples, FRAME_SAMPLES))
    return int(np.count_nonzero(probabilities >= SPEECH)) >= UNHEARD_SPEECH

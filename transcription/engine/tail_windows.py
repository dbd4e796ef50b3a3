"""Decodes again what a window's text leaves out in fast mode: its tail, and speech before and between its segments.

Whisper sometimes ends a window's text seconds before the speech in it ends, and sometimes passes over a sentence. Both
are decoded while other windows are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from transcription.engine.cutter import SPEECH_PROBABILITY
from transcription.engine.fallback import PROMPT_RESET_TEMPERATURE
from transcription.engine.missed_speech import missed_windows, rest_of_tail
from transcription.engine.types import SAMPLE_RATE, TIMESTAMPS_PER_SECOND, TOLERANCE, Tail, Voice, Window, WindowResult
from transcription.engine.vad import FRAME_SAMPLES, VoiceDetector
from transcription.engine.voice import compared
from transcription.engine.windows import whole_frames

MIN_TAIL_SECONDS = 1.0
"""Shorter tails are not decoded."""

MIN_TAIL_SPEECH_FRAMES = 16
"""Frames (0.5 s) of speech that a tail must hold to be decoded."""

CONCURRENT_TAILS = 2
"""Tails of one recording that are decoded at once. Each has its own turn at the engine."""

MAX_UNFINISHED = 16
WAIT_SECONDS = 1.0

DecodeTail = Callable[[Window, str], WindowResult]
"""Decodes one window, or its tail, in a language."""


@dataclass(slots=True)
class _PendingResult:
    """A window's result, the future results of its missed speech and of its tail, if it has them, and its voice."""

    result: WindowResult
    voice: Voice
    missed: list[Future[WindowResult]]
    tail: Future[WindowResult] | None

    @property
    def unfinished(self) -> list[Future[WindowResult]]:
        return [future for future in (*self.missed, self.tail) if future and not future.done()]

    def complete(self) -> WindowResult:
        """Returns the result with all segments in order, compared with the voice.

        Waits for them, and raises what decoding them raised.
        """
        known = self.result.segments
        between = [segment for future in self.missed for segment in future.result().segments]
        after = self.tail.result().segments if self.tail else ()
        more = [segment for segment in after if segment.start > known[-1].end - TOLERANCE]
        ordered = sorted((*known, *between), key=lambda segment: segment.start) if between else known
        return compared(replace(self.result, segments=(*ordered, *more)), self.voice)


class TailWindows:
    """Takes results in order and yields them in the same order, each with the segments that it lacked.

    decode_tail: decodes a tail, or a window of missed speech; called in threads, for several at once. on_wait: called
    every second in which only these are waited for.
    """

    def __init__(self, decode_tail: DecodeTail, on_wait: Callable[[], None] = lambda: None) -> None:
        self._decode_tail = decode_tail
        self._on_wait = on_wait
        self._threads = ThreadPoolExecutor(CONCURRENT_TAILS, "tail")
        self._pending: deque[_PendingResult] = deque()

    def add(self, result: WindowResult, window: Window) -> None:
        """Adds a result. Waits while MAX_UNFINISHED results, whose windows' samples are held, are unfinished."""
        tail, missed = tail_of(window, result), missed_windows(window, result)
        unfinished = [pending for pending in self._pending if pending.unfinished]
        if (tail or missed) and len(unfinished) >= MAX_UNFINISHED:
            self._wait_for(unfinished[0])
        self._pending.append(
            _PendingResult(
                result,
                window.voice,
                [self._threads.submit(self._decode_tail, part, result.language) for part in missed],
                self._threads.submit(self._decode_whole_tail, tail, result.language) if tail else None,
            )
        )

    def complete(self) -> Iterator[WindowResult]:
        """Yields the complete results up to the first incomplete one."""
        while self._pending and not self._pending[0].unfinished:
            yield self._pending.popleft().complete()

    def remaining(self) -> Iterator[WindowResult]:
        """Yields all remaining results, each when it is complete."""
        while self._pending:
            self._wait_for(self._pending[0])
            yield self._pending.popleft().complete()

    def close(self) -> None:
        """Cancels the tails that have not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _decode_whole_tail(self, tail: Window, language: str) -> WindowResult:
        """Decodes a tail, and by itself what its text leaves out at the end."""
        result = self._decode_tail(tail, language)
        rest = rest_of_tail(tail, result)
        more = self._decode_tail(rest, language).segments if rest else ()
        return replace(result, segments=(*result.segments, *more))

    def _wait_for(self, pending: _PendingResult) -> None:
        while unfinished := pending.unfinished:
            wait(unfinished, WAIT_SECONDS)
            self._on_wait()


def tail_of(window: Window, result: WindowResult) -> Window | None:
    """Returns the window with its tail set; None if the tail is too short or holds no speech."""
    spoken_until = result.segments[-1].end if result.segments else window.end
    if window.end - spoken_until < MIN_TAIL_SECONDS:
        return None
    begin = round((spoken_until - window.start) * SAMPLE_RATE)
    if not _is_spoken(window.samples[begin:]):
        return None
    after = round((spoken_until - window.start) * TIMESTAMPS_PER_SECOND)
    return replace(window, tail=Tail(after, _context(result)))


def tail_window(window: Window) -> Window:
    """Returns a window that consists of another window's tail."""
    assert window.tail is not None, "it has a tail"
    seconds = window.tail.after / TIMESTAMPS_PER_SECOND
    samples = window.samples[round(seconds * SAMPLE_RATE) :]
    return replace(window, start=window.start + seconds, samples=samples, tail=None)


def _context(result: WindowResult) -> tuple[int, ...]:
    """Returns the tokens that prompt the tail."""
    if result.segments[-1].temperature > PROMPT_RESET_TEMPERATURE:
        return ()
    return tuple(token for segment in result.segments for token in segment.tokens)


def _is_spoken(samples: NDArray[np.int16]) -> bool:
    probabilities = VoiceDetector().probabilities(whole_frames(samples, FRAME_SAMPLES))
    return int(np.count_nonzero(probabilities >= SPEECH_PROBABILITY)) >= MIN_TAIL_SPEECH_FRAMES

"""Exact mode: openai-whisper's transcribe(), a window after the other.

Each window begins where the one before it left off and continues its text, and the spectrogram is
that of the whole recording: the recording is listened to once before the first window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transcription.engine.catalogue import find_model
from transcription.engine.mel import Loudest
from transcription.engine.mixture import Mixture, middle
from transcription.engine.spool import Spool
from transcription.engine.types import (
    FRAME_SAMPLES,
    FRAMES_PER_SECOND,
    LEAD_SAMPLES,
    TRAIL_SAMPLES,
    WINDOW_FRAMES,
    DecodeOptions,
    Passage,
    Span,
    Window,
    WindowResult,
)
from transcription.engine.unspoken import UnspokenFinder, long_ones, within

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Decode = Callable[[Iterable[Window]], Iterator[WindowResult]]
"""Decodes windows and yields each one's result before it asks for the next."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Where an interrupted transcription goes on; the figures of its last WindowResult."""

    end: float = 0.0
    context: tuple[int, ...] | None = None
    last_speech: float = 0.0
    windows: int = 0
    language: str = ""

    @classmethod
    def after(cls, result: WindowResult) -> Resume:
        return cls(result.end, result.context, result.last_speech, result.index + 1, result.language)


def transcribe_exactly(
    pcm: Iterable[bytes], decode: Decode, options: DecodeOptions, resume: Resume | None = None
) -> Iterator[WindowResult]:
    """The recording's windows in order.

    pcm: the recording from its beginning as mono s16le at 16 kHz, in chunks of any size; it is read
    to its end before the first window. A recording that goes on after `resume` has the windows that it
    would have had without an interruption. With `skip_non_speech` no window reaches into a long stretch
    in which surely nobody speaks; where the language is followed, a window that seems to hold several is
    heard again, shorter.
    """
    with Spool() as sound:
        loudest, finder = Loudest(find_model(options.model).n_mels), UnspokenFinder()
        listens = options.skip_non_speech or options.follows_language

        def watch(samples: NDArray[np.int16]) -> None:
            loudest.feed(samples)
            if listens:
                finder.feed(samples)

        sound.fill(pcm, watch)
        unspoken = finder.stretches() if options.skip_non_speech else ()
        loop = _SeekLoop(sound, loudest.value(), unspoken, resume or Resume())
        mixture = Mixture(options.follows_language)
        for result in decode(loop.windows()):
            window = loop.window
            if mixture.is_seen_in(result, window.start, window.end):
                loop.shorten(finder.quietest(*middle(window)))
                continue
            loop.note(result)
            yield result


class _SeekLoop:
    """Where the next window begins is known when the one before it is heard. `window` is the latest one."""

    window: Window

    def __init__(self, sound: Spool, loudest: float, unspoken: tuple[Span, ...], resume: Resume) -> None:
        self._sound = sound
        self._loudest = loudest
        self._frames = sound.samples // FRAME_SAMPLES
        self._unspoken = unspoken
        self._skipped = _skipped(unspoken, self._frames)
        self._at = resume
        self._until = self._frames

    def note(self, result: WindowResult) -> None:
        self._at = Resume.after(result)
        self._until = self._frames

    def shorten(self, end: float) -> None:
        """The latest window is asked for again, and ends there."""
        self._until = round(end * FRAMES_PER_SECOND)

    def windows(self) -> Iterator[Window]:
        """Each must have been noted, or shortened, before the next one is asked for."""
        while (seek := self._spoken_from(round(self._at.end * FRAMES_PER_SECOND))) < self._frames:
            self.window = self._window(seek)
            yield self.window

    def _spoken_from(self, seek: int) -> int:
        """The frame itself, or the end of the long stretch without speech that it lies in."""
        return next((end for start, end in self._skipped if start <= seek < end), seek)

    def _window(self, seek: int) -> Window:
        until = next((start for start, _ in self._skipped if start > seek), self._frames)
        frames = min(WINDOW_FRAMES, until - seek, self._until - seek)
        lead = LEAD_SAMPLES if seek * FRAME_SAMPLES >= LEAD_SAMPLES else 0
        begin = seek * FRAME_SAMPLES
        return Window(
            index=self._at.windows,
            start=seek / FRAMES_PER_SECOND,
            end=(seek + frames) / FRAMES_PER_SECOND,
            samples=self._sound.read(begin - lead, begin + frames * FRAME_SAMPLES + TRAIL_SAMPLES),
            passage=Passage(frames, lead, self._loudest, self._at.context, self._at.last_speech),
            unspoken=within(self._unspoken, seek / FRAMES_PER_SECOND, (seek + WINDOW_FRAMES) / FRAMES_PER_SECOND),
        )


def _skipped(unspoken: tuple[Span, ...], frames: int) -> list[tuple[int, int]]:
    """The long stretches, in frames."""
    stretches = long_ones(unspoken, frames / FRAMES_PER_SECOND)
    return [(round(a * FRAMES_PER_SECOND), min(frames, round(b * FRAMES_PER_SECOND))) for a, b in stretches]

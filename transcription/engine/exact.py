"""Exact mode: openai-whisper's transcribe(), a window after the other.

Each window begins where the one before it left off and continues its text, and the spectrogram is
that of the whole recording: the recording is listened to once before the first window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transcription.engine.language_mix import LanguageMix, middle
from transcription.engine.mel import Loudest
from transcription.engine.non_speech import NonSpeechFinder, Silences, overlapping
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
    Voice,
    Window,
    WindowResult,
)
from transcription.engine.voice import compared, voice_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Decode = Callable[[Iterable[Window]], Iterator[WindowResult]]
"""Decodes windows and yields each one's result before it asks for the next."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Where an interrupted transcription continues; taken from its last WindowResult."""

    end: float = 0.0
    context: tuple[int, ...] | None = None
    last_speech: float = 0.0
    windows: int = 0
    language: str = ""

    @classmethod
    def after(cls, result: WindowResult) -> Resume:
        return cls(result.end, result.context, result.last_speech, result.index + 1, result.language)


def transcribe_exactly(
    pcm: Iterable[bytes], decode: Decode, options: DecodeOptions, mels: int, resume: Resume | None = None
) -> Iterator[WindowResult]:
    """Yields the results of the recording's windows in order.

    pcm: the recording from its beginning as mono s16le at 16 kHz, in chunks of any size; it is read
    to its end before the first window. mels: as many as the model hears. A recording that goes on after
    `resume` has the windows that it would have had without an interruption. With `skip_non_speech` no
    window reaches into a long stretch in which no voice is heard; those that are loud have windows of
    their own. Where the language is followed, a window that seems to hold several is heard again, shorter.
    """
    with closing(Spool()) as sound:
        loudest, finder = Loudest(mels), NonSpeechFinder()
        listens = options.skip_non_speech or options.follows_language

        def watch(samples: NDArray[np.int16]) -> None:
            loudest.feed(samples)
            if listens:
                finder.feed(samples)

        sound.fill(pcm, watch)
        seconds = sound.samples // FRAME_SAMPLES / FRAMES_PER_SECOND
        silences = finder.silences(seconds) if options.skip_non_speech else Silences()
        loop = _SeekLoop(sound, loudest.value(), silences, resume or Resume())
        voice = voice_in(finder.probabilities) if listens else Voice()
        mix = LanguageMix()
        for result in decode(loop.windows()):
            window = loop.window
            if options.follows_language and mix.is_mixed(result, window):
                loop.shorten(finder.quietest(*middle(window)))
                continue
            loop.note(result)
            yield compared(result, voice)


class _SeekLoop:
    """Yields windows, each of which begins where the result of the one before says. `window` is the latest one.

    None begins in a silence that is passed, or reaches over an edge of one that is passed or doubted.
    """

    window: Window

    def __init__(self, sound: Spool, loudest: float, silences: Silences, resume: Resume) -> None:
        self._sound = sound
        self._loudest = loudest
        self._frames = sound.samples // FRAME_SAMPLES
        self._non_speech = silences.non_speech
        self._passed = self._in_frames(silences.passed)
        self._edges = [edge for span in (*self._passed, *self._in_frames(silences.doubted)) for edge in span]
        self._at = resume
        self._until = self._frames

    def note(self, result: WindowResult) -> None:
        self._at = Resume.after(result)
        self._until = self._frames

    def shorten(self, end: float) -> None:
        """Makes the next window the latest one, cut at `end` seconds."""
        self._until = round(end * FRAMES_PER_SECOND)

    def windows(self) -> Iterator[Window]:
        """Yields the windows. Call `note` or `shorten` for each before the next one."""
        while (seek := self._spoken_from(round(self._at.end * FRAMES_PER_SECOND))) < self._frames:
            self.window = self._window(seek)
            yield self.window

    def _in_frames(self, spans: Iterable[Span]) -> list[tuple[int, int]]:
        return [(round(a * FRAMES_PER_SECOND), min(self._frames, round(b * FRAMES_PER_SECOND))) for a, b in spans]

    def _spoken_from(self, seek: int) -> int:
        """Returns the frame, or the end of the passed stretch that contains it."""
        return next((end for start, end in self._passed if start <= seek < end), seek)

    def _window(self, seek: int) -> Window:
        until = min((edge for edge in self._edges if edge > seek), default=self._frames)
        frames = min(WINDOW_FRAMES, until - seek, self._until - seek)
        lead = LEAD_SAMPLES if seek * FRAME_SAMPLES >= LEAD_SAMPLES else 0
        begin = seek * FRAME_SAMPLES
        return Window(
            index=self._at.windows,
            start=seek / FRAMES_PER_SECOND,
            end=(seek + frames) / FRAMES_PER_SECOND,
            samples=self._sound.read(begin - lead, begin + frames * FRAME_SAMPLES + TRAIL_SAMPLES),
            passage=Passage(frames, lead, self._loudest, self._at.context, self._at.last_speech),
            non_speech=overlapping(
                self._non_speech, seek / FRAMES_PER_SECOND, (seek + WINDOW_FRAMES) / FRAMES_PER_SECOND
            ),
        )

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
from transcription.engine.non_speech import NonSpeechFinder, overlapping
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
        silences = _Silences.of(finder, sound.samples // FRAME_SAMPLES) if options.skip_non_speech else _Silences()
        loop = _SeekLoop(sound, loudest.value(), silences, resume or Resume())
        voice = voice_in(finder.probabilities) if listens else Voice()
        mix = LanguageMix(options.follows_language)
        for result in decode(loop.windows()):
            window = loop.window
            if mix.is_mixed(result, window):
                loop.shorten(finder.quietest(*middle(window)))
                continue
            loop.note(result)
            yield compared(result, voice)


@dataclass(frozen=True, slots=True)
class _Silences:
    """Stretches without speech: `non_speech`, whose text is dropped, in seconds, the long ones in frames."""

    non_speech: tuple[Span, ...] = ()
    passed: tuple[tuple[int, int], ...] = ()
    doubted: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, finder: NonSpeechFinder, frames: int) -> _Silences:
        def in_frames(spans: Iterable[Span]) -> tuple[tuple[int, int], ...]:
            return tuple((round(a * FRAMES_PER_SECOND), min(frames, round(b * FRAMES_PER_SECOND))) for a, b in spans)

        found = finder.silences(frames / FRAMES_PER_SECOND)
        return cls(found.non_speech, in_frames(found.passed), in_frames(found.doubted))

    def spoken_from(self, seek: int) -> int:
        """Returns the frame, or the end of the passed stretch that contains it."""
        return next((end for start, end in self.passed if start <= seek < end), seek)

    def edge_after(self, seek: int, last: int) -> int:
        """Returns the last frame of a window that begins at `seek`."""
        edges = [start for start, _ in self.passed] + [edge for span in self.doubted for edge in span]
        return min((edge for edge in edges if edge > seek), default=last)


class _SeekLoop:
    """Yields windows, each of which begins where the result of the one before says. `window` is the latest one."""

    window: Window

    def __init__(self, sound: Spool, loudest: float, silences: _Silences, resume: Resume) -> None:
        self._sound = sound
        self._loudest = loudest
        self._frames = sound.samples // FRAME_SAMPLES
        self._silences = silences
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
        while (seek := self._silences.spoken_from(round(self._at.end * FRAMES_PER_SECOND))) < self._frames:
            self.window = self._window(seek)
            yield self.window

    def _window(self, seek: int) -> Window:
        until = self._silences.edge_after(seek, self._frames)
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
                self._silences.non_speech, seek / FRAMES_PER_SECOND, (seek + WINDOW_FRAMES) / FRAMES_PER_SECOND
            ),
        )

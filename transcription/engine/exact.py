"""Exact mode: openai-whisper's transcribe(), a window after the other.

Each window begins where the one before it left off and continues its text, and the spectrogram is
that of the whole recording: the recording is listened to once before the first window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from transcription.engine.mel import Loudest
from transcription.engine.spool import Spool
from transcription.engine.types import (
    FRAME_SAMPLES,
    FRAMES_PER_SECOND,
    LEAD_SAMPLES,
    TRAIL_SAMPLES,
    WINDOW_FRAMES,
    Passage,
    Window,
    WindowResult,
)

Decode = Callable[[Iterable[Window]], Iterator[WindowResult]]
"""Decodes windows and yields each one's result before it asks for the next."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Where an interrupted transcription goes on; the figures of its last WindowResult."""

    end: float = 0.0
    context: tuple[int, ...] | None = None
    last_speech: float = 0.0
    windows: int = 0

    @classmethod
    def after(cls, result: WindowResult) -> Resume:
        return cls(result.end, result.context, result.last_speech, result.index + 1)


def transcribe_exactly(
    pcm: Iterable[bytes], decode: Decode, n_mels: int, resume: Resume | None = None
) -> Iterator[WindowResult]:
    """The recording's windows in order.

    pcm: the recording from its beginning as mono s16le at 16 kHz, in chunks of any size; it is read
    to its end before the first window. n_mels: of the model. A recording that goes on after `resume`
    has the windows that it would have had without an interruption.
    """
    with Spool() as sound:
        loudest = Loudest(n_mels)
        sound.fill(pcm, loudest.feed)
        loop = _SeekLoop(sound, loudest.value(), resume or Resume())
        for result in decode(loop.windows()):
            loop.note(result)
            yield result


class _SeekLoop:
    """Where the next window begins is known when the one before it is heard."""

    def __init__(self, sound: Spool, loudest: float, resume: Resume) -> None:
        self._sound = sound
        self._loudest = loudest
        self._frames = sound.samples // FRAME_SAMPLES
        self._at = resume

    def note(self, result: WindowResult) -> None:
        self._at = Resume.after(result)

    def windows(self) -> Iterator[Window]:
        """Each must have been noted before the next one is asked for."""
        while (seek := round(self._at.end * FRAMES_PER_SECOND)) < self._frames:
            yield self._window(seek)

    def _window(self, seek: int) -> Window:
        frames = min(WINDOW_FRAMES, self._frames - seek)
        lead = LEAD_SAMPLES if seek * FRAME_SAMPLES >= LEAD_SAMPLES else 0
        begin = seek * FRAME_SAMPLES
        return Window(
            index=self._at.windows,
            start=seek / FRAMES_PER_SECOND,
            end=(seek + frames) / FRAMES_PER_SECOND,
            samples=self._sound.read(begin - lead, begin + frames * FRAME_SAMPLES + TRAIL_SAMPLES),
            passage=Passage(frames, lead, self._loudest, self._at.context, self._at.last_speech),
        )

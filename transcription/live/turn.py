"""One turn of a live session: its sound, and the text that passes make of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transcription.engine.short_context import is_measured
from transcription.engine.types import SAMPLE_RATE
from transcription.live.agreement import Agreement, Progress
from transcription.live.passes import Pass, PassResult

SAMPLE_BYTES = 2
STEP_SECONDS = 1.0
"""New sound that is worth another pass."""

FULL_SECONDS = 28.0
"""Sound that one pass hears at most: less than Whisper's window."""

CUT_SECONDS = 5.0
"""Sound from which on what is firm is let go."""

PROMPT_CHARACTERS = 200
"""Of the firm text that a pass is prompted with, where it hears with full context."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """How a session is to be heard."""

    model: str
    language: str = ""
    languages: tuple[str, ...] = ()
    prompt: str = ""
    hotwords: str = ""
    request_id: str = ""


@dataclass(slots=True, eq=False)
class Turn:
    """A turn. `id` names it; `start` is its first sample in the session; `is_whole` is whether it has ended.

    `usual_language` is that of the turn before; `language` the turn's, once it is sure.
    """

    id: str
    start: int
    usual_language: str = ""
    is_whole: bool = False
    agreement: Agreement = field(default_factory=Agreement)
    language: str = ""
    failures: int = 0
    samples: int = 0
    _held: bytearray = field(default_factory=bytearray)
    """s16le; it grows in place, however small the pieces are that arrive."""
    _detected: str = ""
    _heard: int = 0
    _in_pass: int = 0

    @property
    def seconds(self) -> float:
        """Seconds of sound that the turn has in all."""
        return self.samples / SAMPLE_RATE

    @property
    def heard_seconds(self) -> float:
        """Seconds of sound that a pass has heard."""
        return self.seconds - self.unheard_seconds

    @property
    def unheard_seconds(self) -> float:
        """Seconds of sound that no pass was given yet."""
        return (self._held_samples - self._heard) / SAMPLE_RATE

    @property
    def is_due(self) -> bool:
        """Whether a pass is to be made."""
        return self.is_whole or self.unheard_seconds >= STEP_SECONDS

    def append(self, samples: NDArray[np.int16]) -> None:
        self._held += samples.astype("<i2", copy=False).tobytes()
        self.samples += len(samples)

    def next_pass(self, hearing: Hearing) -> Pass:
        """Returns the pass over the sound whose text is not firm.

        It is prompted with the text before that sound: what Whisper was told already, it may leave out. Where a short
        context is known to be as good, nothing is prompted: it was measured so.
        """
        self._in_pass = min(self._held_samples, round(FULL_SECONDS * SAMPLE_RATE))
        language = hearing.language or self.language
        is_short = is_measured(hearing.model, language) and not hearing.prompt and not hearing.hotwords
        prompt = "" if is_short else f"{hearing.prompt} {self.agreement.past[-PROMPT_CHARACTERS:]}".strip()
        pcm = bytes(memoryview(self._held)[: self._in_pass * SAMPLE_BYTES])
        return Pass(pcm, hearing.model, language, hearing.languages, prompt, hearing.hotwords, hearing.request_id)

    def take(self, result: PassResult) -> tuple[Progress, bool]:
        """Takes what the last pass heard. Returns what it changed, and whether the turn is done with it."""
        self.failures = 0
        self._settle_language(result.language if result.segments else "")
        agreement, given = self.agreement, self._in_pass
        self._heard = given
        if self.is_whole and given == self._held_samples:
            return Progress(agreement.finish(result.segments), ""), True
        if given >= round(FULL_SECONDS * SAMPLE_RATE):
            progress = agreement.take_full(result.segments, FULL_SECONDS)
        else:
            progress = agreement.take(result.segments, may_cut=given >= CUT_SECONDS * SAMPLE_RATE)
        cut = min(given, round(progress.cut * SAMPLE_RATE))
        del self._held[: cut * SAMPLE_BYTES]
        self._heard = given - cut
        return progress, False

    def _settle_language(self, detected: str) -> None:
        """Takes a language that two passes in a row detect, or one that the turn before had: a second tells little."""
        if detected and detected in (self._detected, self.usual_language):
            self.language = self.language or detected
        self._detected = detected

    @property
    def _held_samples(self) -> int:
        return len(self._held) // SAMPLE_BYTES

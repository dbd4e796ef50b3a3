"""Windows that seem to hold several languages: each is heard again in shorter ones."""

from __future__ import annotations

from dataclasses import replace

from transcription.engine.non_speech import NonSpeechFinder
from transcription.engine.spoken_language import CLEAR
from transcription.engine.types import SAMPLE_RATE, Span, Window, WindowResult

SHORTEST_SECONDS = 12.0
"""A window that is shorter is not halved: too little is left to tell languages apart."""

MAX_FUTILE_SPLITS = 3
"""After so many halves in a row that are no clearer, the recording's language is taken to be a difficult one."""


def middle(window: Window) -> Span:
    """Where a window may be halved."""
    length = window.end - window.start
    return window.start + 0.35 * length, window.start + 0.65 * length


def halved(window: Window) -> tuple[Window, Window]:
    """A window in fast mode as two, cut where speech is least likely in its middle."""
    finder = NonSpeechFinder()
    finder.feed(window.samples)
    first, last = middle(window)
    cut = finder.quietest(first - window.start, last - window.start)
    samples = round(cut * SAMPLE_RATE)
    at = window.start + samples / SAMPLE_RATE
    return (
        replace(window, end=at, samples=window.samples[:samples]),
        replace(window, start=at, samples=window.samples[samples:]),
    )


class LanguageMix:
    """Which of a recording's windows are to be halved.

    enabled: whether languages are detected in every window.
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._futile_splits = 0

    def is_mixed(self, result: WindowResult, window: Window) -> bool:
        """Whether a result is unclear about its window's language, and the window may be halved."""
        if window.is_doubted:
            return False
        unclear, is_short = result.language_probability < CLEAR, window.end - window.start < SHORTEST_SECONDS
        if not unclear:
            self._futile_splits = 0
        elif is_short:
            self._futile_splits += 1
        return self._enabled and unclear and not is_short and self._futile_splits < MAX_FUTILE_SPLITS

"""Finds windows that seem to hold several languages, each of which is decoded again in halves."""

from __future__ import annotations

from dataclasses import replace

from transcription.engine.non_speech import NonSpeechFinder
from transcription.engine.spoken_language import CLEAR
from transcription.engine.types import SAMPLE_RATE, Span, Window, WindowResult

SHORTEST_SECONDS = 12.0
"""A shorter window is not halved: its halves are too short for language detection."""

MAX_FUTILE_SPLITS = 3
"""After so many unclear halves in a row, the recording is no longer halved."""


def middle(window: Window) -> Span:
    """Returns the seconds from and to which a window may be halved."""
    length = window.end - window.start
    return window.start + 0.35 * length, window.start + 0.65 * length


def halved(window: Window) -> tuple[Window, Window]:
    """Splits a window of fast mode in two, at the time in its middle at which speech is least probable."""
    finder = NonSpeechFinder()
    finder.feed(window.samples)
    first, last = middle(window)
    cut = finder.quietest(first - window.start, last - window.start)
    samples = round(cut * SAMPLE_RATE)
    at = window.start + samples / SAMPLE_RATE
    return (
        replace(window, end=at, samples=window.samples[:samples], overlap=0.0),
        replace(window, start=at, samples=window.samples[samples:]),
    )


class LanguageMix:
    """Decides which of a recording's windows are halved, where the language is detected in every one."""

    def __init__(self) -> None:
        self._futile_splits = 0

    def is_mixed(self, result: WindowResult, window: Window) -> bool:
        """Returns whether the language of a window is unclear and the window is to be halved. Call it once a result."""
        if window.is_doubted:
            return False
        unclear, is_short = result.language_probability < CLEAR, window.end - window.start < SHORTEST_SECONDS
        if not unclear:
            self._futile_splits = 0
        elif is_short:
            self._futile_splits += 1
        return unclear and not is_short and self._futile_splits < MAX_FUTILE_SPLITS

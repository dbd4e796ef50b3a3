"""Cuts speech that Whisper passed over, to be decoded again: what the voice detector is sure of, and no text covers."""

from __future__ import annotations

from dataclasses import replace

from transcription.engine.spans import without_text
from transcription.engine.types import SAMPLE_RATE, TIMESTAMPS_PER_SECOND, Window, WindowResult

PADDING_SECONDS = 0.3
"""Of the sound around missed speech that is heard with it."""

MOST_OF_A_WINDOW = 0.9
"""A stretch that is more of its window would be heard as it was."""


def missed_windows(window: Window, result: WindowResult) -> list[Window]:
    """Returns a window for each stretch of a window in fast mode that is certainly speech and has no text.

    What follows the last text is left out: it is the window's tail.
    """
    if window.is_doubted:
        return []
    texts = [(segment.start, segment.end) for segment in result.segments]
    last = max((end for _, end in texts), default=window.end)
    missed = without_text(window.voice.within(window.start, window.end).speech, texts)
    parts = [_cut(window, start, end) for start, end in missed if start < last]
    longest = MOST_OF_A_WINDOW * (window.end - window.start)
    return [part for part in parts if part.end - part.start < longest]


def rest_of_tail(window: Window, tail: WindowResult) -> Window | None:
    """Returns what follows the text of a window's tail, to be decoded by itself; None unless it is certainly speech.

    window: with its tail set. tail: the result of that.
    """
    assert window.tail is not None, "it has a tail"
    begin = window.start + window.tail.after / TIMESTAMPS_PER_SECOND
    last = max((segment.end for segment in tail.segments), default=begin)
    missed = without_text(window.voice.within(last, window.end).speech, [(window.start, last)])
    return _cut(window, missed[0][0], window.end) if missed else None


def _cut(window: Window, start: float, end: float) -> Window:
    """Returns the part of a window between two times, with some sound around it."""
    first = max(0, round((start - PADDING_SECONDS - window.start) * SAMPLE_RATE))
    last = min(len(window.samples), round((end + PADDING_SECONDS - window.start) * SAMPLE_RATE))
    at, until = window.start + first / SAMPLE_RATE, window.start + last / SAMPLE_RATE
    return replace(window, start=at, end=until, samples=window.samples[first:last], tail=None)

"""Fast mode: the windows of a recording are decoded side by side, as none depends on another's text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from transcription.engine.language_mix import LanguageMix, halved
from transcription.engine.tail_windows import Again, TailWindows
from transcription.engine.types import EngineError, Window, WindowResult
from transcription.engine.windows import fast_windows

Halves = Callable[[Window], WindowResult]
"""Decodes a window and detects its language."""


def transcribe_fast(
    pcm: Iterable[bytes],
    decode: Callable[[Iterable[Window]], Iterator[WindowResult]],
    again: Again,
    start: float = 0.0,
    on_wait: Callable[[], None] = lambda: None,
    skip_non_speech: bool = True,
    halves: Halves | None = None,
) -> Iterator[WindowResult]:
    """Yields the results of a recording's windows in order, each as soon as it is done.

    Whisper sometimes ends a window's text long before the speech in it ends. Its tail is then heard, while others
    go on: `again` decodes a window for its tail, in a language, in a thread.
    halves: hears half of a window that seems to hold several languages; None where the language is not followed.
    pcm, start, skip_non_speech: as for `fast_windows`. on_wait: called with each window that was heard, and every
    second in which only tails are waited for.
    """
    sent: dict[int, Window] = {}

    def watched() -> Iterator[Window]:
        for window in fast_windows(pcm, start, skip_non_speech):
            sent[window.index] = window
            yield window

    tails = TailWindows(again, on_wait)
    mix = LanguageMix(halves is not None)
    try:
        for result in decode(watched()):
            for part, window in _parts(result, sent.pop(result.index), mix, halves):
                tails.add(part, window)
            on_wait()
            yield from tails.whole()
        yield from tails.all()
    except EngineError:
        yield from tails.whole()
        raise
    finally:
        tails.close()


def _parts(
    result: WindowResult, window: Window, mix: LanguageMix, halves: Halves | None
) -> Iterator[tuple[WindowResult, Window]]:
    """Yields a window's result, or those of its halves if it seems to hold several languages."""
    if halves is None or not mix.is_mixed(result, window):
        yield result, window
        return
    for half in halved(window):
        yield from _parts(halves(half), half, mix, halves)

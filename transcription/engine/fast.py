"""Transcribes a recording in fast mode: its windows are decoded side by side, as none depends on another's text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from transcription.engine.language_mix import LanguageMix, halved
from transcription.engine.overlaps import OverlapMerger
from transcription.engine.tail_windows import DecodeTail, TailWindows
from transcription.engine.types import EngineError, Window, WindowResult
from transcription.engine.windows import fast_windows

DecodeHalf = Callable[[Window], WindowResult]
"""Decodes a window and detects its language."""


def transcribe_fast(
    pcm: Iterable[bytes],
    decode: Callable[[Iterable[Window]], Iterator[WindowResult]],
    decode_tail: DecodeTail,
    start: float = 0.0,
    on_wait: Callable[[], None] = lambda: None,
    skip_non_speech: bool = True,
    decode_half: DecodeHalf | None = None,
    said_until: float = 0.0,
) -> Iterator[WindowResult]:
    """Yields the results of a recording's windows in order, each as soon as it is done.

    One that overlaps with the next is done when that is, too: their texts are merged.

    pcm, start, skip_non_speech: as for `fast_windows`. decode: yields the results of windows in order. decode_tail:
    decodes the tail of a window whose text ends before its speech does; called in threads. on_wait: called after each
    window, and every second in which only tails are waited for. decode_half: decodes half of a window that seems to
    hold several languages; None if the language is not followed. said_until: the `last_speech` of the result that
    ends at `start`. Raises what these functions raise.
    """
    sent: dict[int, Window] = {}

    def watched() -> Iterator[Window]:
        for window in fast_windows(pcm, start, skip_non_speech):
            sent[window.index] = window
            yield window

    tails = TailWindows(decode_tail, on_wait)
    mix = LanguageMix()
    merger = OverlapMerger(said_until if said_until > start else 0.0)
    try:
        for result in decode(watched()):
            for part, window in _parts(result, sent.pop(result.index), mix, decode_half):
                tails.add(replace(part, end=window.next_start, last_speech=window.end), window)
            on_wait()
            yield from merger.merged(tails.complete())
        yield from merger.merged(tails.remaining())
        yield from merger.rest()
    except EngineError:
        yield from merger.merged(tails.complete())
        raise
    finally:
        tails.close()


def _parts(
    result: WindowResult, window: Window, mix: LanguageMix, decode_half: DecodeHalf | None
) -> Iterator[tuple[WindowResult, Window]]:
    """Yields a window's result, or those of its halves if it seems to hold several languages."""
    if decode_half is None or not mix.is_mixed(result, window):
        yield result, window
        return
    for half in halved(window):
        yield from _parts(decode_half(half), half, mix, decode_half)

"""A long recording side by side: its windows depend on nothing but its audio."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from transcription.engine.mixture import Mixture, halved
from transcription.engine.rests import Again, Rests
from transcription.engine.types import EngineError, Window, WindowResult
from transcription.engine.windows import fast_windows

Halves = Callable[[Window], WindowResult]
"""Hears a window and finds out its language."""


def transcribe_fast(
    pcm: Iterable[bytes],
    decode: Callable[[Iterable[Window]], Iterator[WindowResult]],
    again: Again,
    start: float = 0.0,
    on_wait: Callable[[], None] = lambda: None,
    skip_non_speech: bool = True,
    halves: Halves | None = None,
) -> Iterator[WindowResult]:
    """A recording's windows in their order, as they are done.

    Whisper sometimes ends a window's text long before the speech in it ends. Its rest is then heard, while others
    go on: `again` decodes a window for its rest, in a language, in a thread.
    halves: hears half of a window that seems to hold several languages; None where the language is not followed.
    pcm, start, skip_non_speech: as for `fast_windows`. on_wait: called with each window that was heard, and every
    second in which only rests are waited for.
    """
    sent: dict[int, Window] = {}

    def watched() -> Iterator[Window]:
        for window in fast_windows(pcm, start, skip_non_speech):
            sent[window.index] = window
            yield window

    rests = Rests(again, on_wait)
    mixture = Mixture(halves is not None)
    try:
        for result in decode(watched()):
            for part, window in _parts(result, sent.pop(result.index), mixture, halves):
                rests.add(part, window)
            on_wait()
            yield from rests.whole()
        yield from rests.all()
    except EngineError:
        yield from rests.whole()
        raise
    finally:
        rests.close()


def _parts(
    result: WindowResult, window: Window, mixture: Mixture, halves: Halves | None
) -> Iterator[tuple[WindowResult, Window]]:
    """A window's result, or those of its parts where it seems to hold several languages."""
    if halves is None or not mixture.is_seen_in(result, window):
        yield result, window
        return
    for half in halved(window):
        yield from _parts(halves(half), half, mixture, halves)

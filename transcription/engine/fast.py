"""A long recording side by side: its windows depend on nothing but its audio."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from transcription.engine.rests import Again, Rests
from transcription.engine.types import EngineError, Window, WindowResult
from transcription.engine.windows import fast_windows


def transcribe_fast(
    pcm: Iterable[bytes],
    decode: Callable[[Iterable[Window]], Iterator[WindowResult]],
    again: Again,
    start: float = 0.0,
    on_wait: Callable[[], None] = lambda: None,
) -> Iterator[WindowResult]:
    """A recording's windows in their order, as they are done.

    Whisper sometimes ends a window's text long before the speech in it ends. Its rest is then heard, while others
    go on: `again` decodes a window for its rest, in a language, in a thread.
    pcm, start: as for `fast_windows`. on_wait: called with each window that was heard, and every second in which only
    rests are waited for.
    """
    sent: dict[int, Window] = {}

    def watched() -> Iterator[Window]:
        for window in fast_windows(pcm, start):
            sent[window.index] = window
            yield window

    rests = Rests(again, on_wait)
    try:
        for result in decode(watched()):
            rests.add(result, sent.pop(result.index))
            on_wait()
            yield from rests.whole()
        yield from rests.all()
    except EngineError:
        yield from rests.whole()
        raise
    finally:
        rests.close()

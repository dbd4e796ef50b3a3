"""Transcribes a recording in exact mode, one window after the other, or in fast mode, all windows side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

from transcription.engine.catalogue import CATALOGUE
from transcription.engine.client import EngineClient
from transcription.engine.exact import Resume, transcribe_exactly
from transcription.engine.fast import transcribe_fast
from transcription.engine.tail_windows import tail_window
from transcription.engine.types import DecodeOptions, Mode, Window, WindowResult


def transcribe(
    client: EngineClient,
    pcm: Iterable[bytes],
    options: DecodeOptions,
    mode: Mode,
    resume: Resume | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> Iterator[WindowResult]:
    """Yields the results of a recording's windows in order, each as soon as it is done.

    pcm: mono s16le at 16 kHz from the recording's beginning. resume: where an interrupted
    transcription in the same mode goes on. on_progress: called while windows are waited for and the
    engine is alive. Raises what EngineClient.decode raises.
    """
    spoken = resume.language if resume else ""
    if mode == "exact":
        decode = partial(client.decode, options=options, in_flight=1, on_progress=on_progress, spoken=spoken)
        return transcribe_exactly(pcm, decode, options, _mels(client, options.model), resume)
    alive = threading.Event()

    def decode_all(windows: Iterable[Window]) -> Iterator[WindowResult]:
        nonlocal spoken
        for result in client.decode(windows, options, on_progress=on_progress, spoken=spoken):
            alive.set()
            spoken = spoken or (result.language if result.segments else "")
            yield result

    def again(window: Window, language: str) -> WindowResult:
        # Words are timed, and beams ranked, by all of a window's text.
        heard = tail_window(window) if options.word_timestamps or options.beam_size > 1 else window
        return next(client.decode([heard], replace(options, language=language), on_progress=alive.set))

    def half(window: Window) -> WindowResult:
        return next(client.decode([window], options, on_progress=alive.set, spoken=spoken))

    def pass_on() -> None:
        """Calls `on_progress` in the caller's thread."""
        if alive.is_set():
            alive.clear()
            on_progress()

    start = resume.end if resume else 0.0
    halves = half if options.follows_language else None
    return transcribe_fast(pcm, decode_all, again, start, pass_on, options.skip_non_speech, halves)


def _mels(client: EngineClient, model: str) -> int:
    """Returns how many mels a model hears; the engine knows an operator's own."""
    return CATALOGUE[model].n_mels if model in CATALOGUE else client.mels(model)

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
from transcription.engine.short_context import SetContext, with_context
from transcription.engine.tail_windows import tail_window
from transcription.engine.types import DecodeOptions, Mode, Window, WindowResult

OnProgress = Callable[[], None]


def transcribe(
    client: EngineClient,
    pcm: Iterable[bytes],
    options: DecodeOptions,
    mode: Mode,
    resume: Resume | None = None,
    on_progress: OnProgress = lambda: None,
    set_context: SetContext = with_context,
) -> Iterator[WindowResult]:
    """Yields the results of a recording's windows in order, each as soon as it is done.

    pcm: mono s16le at 16 kHz from the recording's beginning. resume: where an interrupted transcription in the same
    mode continues. on_progress: called in this thread while windows are waited for and the engine is alive.
    set_context: decides what the encoder hears of each window in fast mode. Raises what EngineClient.decode raises.
    """
    language = resume.language if resume else ""
    if mode == "exact":
        decode = partial(client.decode, options=options, one_by_one=True, on_progress=on_progress, spoken=language)
        # The engine knows those of an operator's own model.
        mels = CATALOGUE[options.model].dimensions.n_mels if options.model in CATALOGUE else client.mels(options.model)
        return transcribe_exactly(pcm, decode, options, mels, resume)
    decoder = _FastDecoder(client, options, on_progress, language, set_context)
    results = transcribe_fast(
        pcm,
        decoder.decode,
        decoder.decode_tail,
        resume.end if resume else 0.0,
        decoder.report_progress,
        options.skip_non_speech,
        decoder.decode_half if options.follows_language else None,
        resume.last_speech if resume else 0.0,
    )
    return results if options.keeps_words else map(_without_words, results)


def _without_words(result: WindowResult) -> WindowResult:
    """Returns a result without the words that were timed only to merge texts."""
    if not any(segment.words for segment in result.segments):
        return result
    return replace(result, segments=tuple(replace(segment, words=()) for segment in result.segments))


class _FastDecoder:
    """Decodes the windows, tails and halves of one recording. Tails may be decoded in other threads."""

    def __init__(
        self,
        client: EngineClient,
        options: DecodeOptions,
        on_progress: OnProgress,
        language: str,
        set_context: SetContext,
    ) -> None:
        """language: that of the recording so far, "" if unknown."""
        self._client = client
        self._options = options
        self._on_progress = on_progress
        self._language = language
        self._set_context = set_context
        self._engine_is_alive = threading.Event()

    def decode(self, windows: Iterable[Window]) -> Iterator[WindowResult]:
        heard = (self._set_context(window, self._options) for window in windows)
        for result in self._client.decode(heard, self._options, on_progress=self._on_progress, spoken=self._language):
            self._engine_is_alive.set()
            if result.segments:
                self._language = self._language or result.language
            yield result

    def decode_tail(self, window: Window, language: str) -> WindowResult:
        """Decodes a tail, or a window of missed speech.

        A tail that does not come out at temperature 0 is decoded again as a window of its own: from its window's
        encoding Whisper invents more often.
        """
        # Words are timed, and beams ranked, by all of a window's text.
        alone = self._options.keeps_words or window.times_words or self._options.beam_size > 1
        options = replace(self._options, language=language)
        own = tail_window(window) if window.tail else window
        # The tail of a window shares its encoding, and so its context.
        heard = own if alone else window
        result = self._decode_one(self._set_context(heard, options), options)
        if heard is own or not _doubt(result)[0]:
            return result
        return min(result, self._decode_one(self._set_context(own, options), options), key=_doubt)

    def decode_half(self, window: Window) -> WindowResult:
        return self._decode_one(self._set_context(window, self._options), self._options, self._language)

    def report_progress(self) -> None:
        """Calls `on_progress` in the caller's thread if the engine was alive since the last call."""
        if self._engine_is_alive.is_set():
            self._engine_is_alive.clear()
            self._on_progress()

    def _decode_one(self, window: Window, options: DecodeOptions, language: str = "") -> WindowResult:
        alive = self._engine_is_alive.set
        return next(self._client.decode([window], options, on_progress=alive, spoken=language))


def _doubt(result: WindowResult) -> tuple[float, float]:
    """Returns what orders results, the surest first: the highest temperature, then the least probable segment."""
    temperatures = [segment.temperature for segment in result.segments]
    return max(temperatures, default=0.0), -min((segment.avg_logprob for segment in result.segments), default=0.0)

"""Short contexts: of a short window the encoder hears its sound and six seconds of padding instead of thirty seconds.

Whisper's encoder takes fewer frames than 3000; the padding is 0.0 in log-mel, as with openai-whisper's last windows.
With little context Whisper loops, or hears what is not there, more often, which the figures of the decoding show: such
a window is heard again in full. docs/engine.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from transcription.engine.backend import Decoded, Vocabulary, Work
from transcription.engine.fallback import MAX_NO_SPEECH_PROB, MIN_AVG_LOGPROB
from transcription.engine.types import (
    ENCODER_STEP,
    FRAME_SAMPLES,
    FRAMES_PER_SECOND,
    SAMPLE_RATE,
    TIMESTAMPS_PER_SECOND,
    WINDOW_FRAMES,
    DecodeOptions,
    Window,
)

LONGEST_SECONDS = 15.0
"""Seconds of sound from which on a window is encoded whole."""

PADDING_FRAMES = 6 * FRAMES_PER_SECOND

MEASURED: Mapping[str, frozenset[str]] = {"base": frozenset({"en"})}
"""The languages of each model in which `benchmarks.short_context` found no more errors than with full context."""

MAX_COMPRESSION_RATIO = 2.0
MIN_AVG_LOGPROB_ELSEWHERE = -0.7
"""The least average log-probability of a text that is not English."""

MAX_SECONDS_BEYOND = 2.0
"""Seconds after the window's end at which its last timestamp may lie."""

TOKENS_PER_SECOND, MORE_TOKENS = 6, 10
"""How many tokens a window may have: speech has about four in a second, timestamps included."""

SetContext = Callable[[Window, DecodeOptions], Window]
"""Returns a window with the frames that the encoder shall hear of it."""


def with_context(window: Window, options: DecodeOptions) -> Window:
    """Returns a window that is encoded whole unless a short context is known to be as good for it.

    Where the language is to be detected a measured one may be found; the engine hears the window in full otherwise.
    """
    return shortened(window) if _may_be_short(options) and not window.is_doubted else window


def is_measured(model: str, language: str | None) -> bool:
    """Returns whether a short context is as good as the full one in a language."""
    return language in MEASURED.get(model, ())


def shortened(window: Window) -> Window:
    """Returns a window that is encoded with its own frames and padding, whole if it is long or in exact mode."""
    if window.passage is not None or len(window.samples) > LONGEST_SECONDS * SAMPLE_RATE:
        return replace(window, encoder_frames=WINDOW_FRAMES)
    frames = -(-len(window.samples) // FRAME_SAMPLES) + PADDING_FRAMES
    return replace(window, encoder_frames=-(-frames // ENCODER_STEP) * ENCODER_STEP)


def token_limit(window: Window) -> int | None:
    """Returns how many tokens a window may have before it is heard in full; None for one that is."""
    if not window.is_short:
        return None
    return round(_seconds(window) * TOKENS_PER_SECOND) + MORE_TOKENS


def is_doubtful(work: Work, decoded: Decoded, vocabulary: Vocabulary) -> bool:
    """Returns whether a window is to be heard again in full, whose text may come from the lack of context."""
    limit = token_limit(work.window)
    if limit is None:
        return False
    least = MIN_AVG_LOGPROB if work.language == "en" else MIN_AVG_LOGPROB_ELSEWHERE
    latest = max((token - vocabulary.timestamp_begin for token in decoded.tokens), default=0) / TIMESTAMPS_PER_SECOND
    return (
        decoded.compression_ratio > MAX_COMPRESSION_RATIO
        or decoded.avg_logprob < least
        or decoded.no_speech_prob > MAX_NO_SPEECH_PROB
        or latest > len(work.window.samples) / SAMPLE_RATE + MAX_SECONDS_BEYOND
        or len(decoded.tokens) > limit
    )


def _may_be_short(options: DecodeOptions) -> bool:
    """Returns whether the benchmark covers these options: plain transcription in a measured language, given or not."""
    is_greedy = options.temperature == 0 and options.beam_size == 1
    is_plain = is_greedy and options.task == "transcribe" and not options.prompt and not options.hotwords
    possible = (options.language,) if options.language else options.languages or MEASURED.get(options.model, ())
    return is_plain and any(is_measured(options.model, language) for language in possible)


def _seconds(window: Window) -> float:
    """Returns the seconds of the window that are decoded."""
    known = window.tail.after / TIMESTAMPS_PER_SECOND if window.tail else 0.0
    return max(0.0, len(window.samples) / SAMPLE_RATE - known)

"""When to believe a decoding: openai-whisper's thresholds (transcribe.py, decode_with_fallback)."""

from __future__ import annotations

from transcription.engine.backend import Decoded

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MAX_COMPRESSION_RATIO = 2.4
MIN_AVG_LOGPROB = -1.0
MAX_NO_SPEECH_PROB = 0.6

SURE_NO_SPEECH_PROB, SURE_AVG_LOGPROB = 0.55, -0.5
"""docs/engine.md has what noise and hidden voices were measured to reach."""

RESET_ABOVE = 0.5
"""Temperature above which openai-whisper does not trust a text enough to prompt what follows it."""


def is_silence(decoded: Decoded) -> bool:
    """Nobody speaks, and the text is not likely enough to be kept all the same."""
    return decoded.no_speech_prob > MAX_NO_SPEECH_PROB and decoded.avg_logprob <= MIN_AVG_LOGPROB


def is_sure(decoded: Decoded) -> bool:
    """Whether somebody speaks where the voice detector hears nobody."""
    if decoded.no_speech_prob < SURE_NO_SPEECH_PROB:
        return decoded.avg_logprob > MIN_AVG_LOGPROB
    return decoded.avg_logprob > SURE_AVG_LOGPROB and decoded.compression_ratio <= MAX_COMPRESSION_RATIO


def next_temperature(decoded: Decoded, temperature: float, requested: float) -> float | None:
    """The temperature to try next, or None where this decoding is to be kept.

    requested: the caller's own temperature; unless it is 0 there is no fallback.
    """
    if requested > 0 or is_silence(decoded):
        return None
    repetitive = decoded.compression_ratio > MAX_COMPRESSION_RATIO
    improbable = decoded.avg_logprob < MIN_AVG_LOGPROB
    if not (repetitive or improbable):
        return None
    return next((t for t in TEMPERATURES if t > temperature), None)

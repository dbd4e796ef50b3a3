"""The temperature fallback of openai-whisper (whisper.transcribe, decode_with_fallback), with its thresholds."""

from __future__ import annotations

from transcription.engine.backend import Decoded

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MAX_COMPRESSION_RATIO = 2.4
MIN_AVG_LOGPROB = -1.0
MAX_NO_SPEECH_PROB = 0.6

CONFIDENT_NO_SPEECH_PROB, CONFIDENT_AVG_LOGPROB = 0.55, -0.5
"""Thresholds for windows without detected speech; docs/engine.md has the measurements."""

PROMPT_RESET_TEMPERATURE = 0.5
"""Temperature above which a text does not prompt the next window, as in openai-whisper."""


def is_silence(decoded: Decoded) -> bool:
    """Returns whether openai-whisper drops the text: probably nobody speaks, and the text is unlikely."""
    return decoded.no_speech_prob > MAX_NO_SPEECH_PROB and decoded.avg_logprob <= MIN_AVG_LOGPROB


def is_confident(decoded: Decoded) -> bool:
    """Returns whether to keep the text of a window in which the voice detector finds no speech."""
    if decoded.no_speech_prob < CONFIDENT_NO_SPEECH_PROB:
        return decoded.avg_logprob > MIN_AVG_LOGPROB
    return decoded.avg_logprob > CONFIDENT_AVG_LOGPROB and decoded.compression_ratio <= MAX_COMPRESSION_RATIO


def next_temperature(decoded: Decoded, temperature: float, requested: float) -> float | None:
    """Returns the temperature to decode a window again at, or None to keep this decoding.

    temperature: that of this decoding. requested: the temperature of the request; above 0 there is no fallback.
    """
    is_good = decoded.compression_ratio <= MAX_COMPRESSION_RATIO and decoded.avg_logprob >= MIN_AVG_LOGPROB
    if requested > 0 or is_silence(decoded) or is_good:
        return None
    return next((t for t in TEMPERATURES if t > temperature), None)

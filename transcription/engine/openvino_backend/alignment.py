"""Times the words of a text from the attention of the alignment heads, as whisper.timing does, in numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transcription.engine.openvino_backend.decoder import Texts
from transcription.engine.warping import dtw

Features = NDArray[np.float32]

FILTER_WIDTH = 7


def align(
    texts: Texts, sequence: Sequence[int], no_timestamps: int, text: Sequence[int], eot: int, positions: int
) -> tuple[list[tuple[int, int]], list[float]]:
    """Returns when each token of a window's text was said, and its probability among the text's tokens.

    sequence: openai-whisper's sot_sequence. text: tokens below eot, at least one. positions: of the encoding that hold
    sound. The former are pairs of token index and position, neither of which decreases, in which the end of the text
    counts as a token.
    """
    start = len(sequence)
    logits = texts.feed([[*sequence, no_timestamps, *text, eot]], wanted=range(start, start + len(text)))[0, :, :eot]
    weights = _normalised(_softmax(texts.scores[0, :, :, :positions]))
    tokens, places = dtw(-_median_filtered(weights).mean(axis=0, dtype=np.float64)[start:-1])
    chances = _softmax(logits)[np.arange(len(text)), text]
    return list(zip(tokens.tolist(), places.tolist(), strict=True)), chances.tolist()


def _softmax(x: Features) -> Features:
    exponentials: Features = np.exp(x - x.max(axis=-1, keepdims=True))
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return exponentials


def _normalised(weights: Features) -> Features:
    """Returns (heads, tokens, positions) with mean 0 and deviation 1 over the tokens."""
    with np.errstate(invalid="ignore"):
        normal: Features = (weights - weights.mean(axis=-2, keepdims=True)) / weights.std(axis=-2, keepdims=True)
    return normal


def _median_filtered(x: Features, width: int = FILTER_WIDTH) -> Features:
    """Returns the median over `width` neighbours in the last dimension, reflected at its ends.

    x is returned unchanged if it has too few to reflect, as in openai-whisper.
    """
    half = width // 2
    if x.shape[-1] <= half:
        return x
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(half, half)], mode="reflect")
    shifted = np.stack([padded[..., at : at + x.shape[-1]] for at in range(width)])
    shifted.partition(half, axis=0)
    median: Features = shifted[half]
    return median

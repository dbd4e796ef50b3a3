"""Times the words of a text from the attention of the alignment heads, as whisper.timing does, in numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transcription.engine.median import WIDTH, median_of_seven
from transcription.engine.openvino_backend.decoder import Texts
from transcription.engine.warping import arrivals

Features = NDArray[np.float32]


def align(
    texts: Texts, sequence: Sequence[int], text: Sequence[int], eot: int, positions: int
) -> tuple[list[int], list[float]]:
    """Returns the position at which each token of a window's text begins, with that of its end, and the probability of
    each among the text's tokens.

    sequence: openai-whisper's sot_sequence and <|notimestamps|>. text: tokens below eot, at least one. positions: those
    of the encoding that hold sound.
    """
    start = len(sequence) - 1
    logits = texts.feed([[*sequence, *text, eot]], wanted=range(start, start + len(text)))[0, :, :eot]
    weights = _normalised(_softmax(texts.scores[0, :, :, :positions]))
    reached = arrivals(-median_filtered(weights).mean(axis=0)[start:-1])
    chances = _softmax(logits)[np.arange(len(text)), text]
    return reached.tolist(), chances.tolist()


def _softmax(x: Features) -> Features:
    exponentials: Features = np.exp(x - x.max(axis=-1, keepdims=True))
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return exponentials


def _normalised(weights: Features) -> Features:
    """Returns (heads, tokens, positions) with mean 0 and deviation 1 over the tokens."""
    with np.errstate(invalid="ignore"):
        normal: Features = (weights - weights.mean(axis=-2, keepdims=True)) / weights.std(axis=-2, keepdims=True)
    return normal


def median_filtered(x: Features) -> Features:
    """Returns the median over seven neighbours in the last dimension, reflected at its ends.

    x is returned unchanged if it has too few to reflect, as in openai-whisper.
    """
    half = WIDTH // 2
    if x.shape[-1] <= half:
        return x
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(half, half)], mode="reflect")
    shifted: list[Features] = [padded[..., at : at + x.shape[-1]] for at in range(WIDTH)]
    return median_of_seven(shifted, np.fmin, np.maximum)

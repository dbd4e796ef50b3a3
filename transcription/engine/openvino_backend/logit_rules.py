"""Applies openai-whisper's logit filters to a row of logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transcription.engine.whisper_vocabulary import WhisperVocabulary

LAST_INITIAL = 50
"""The greatest timestamp that may come first: 1 s, openai-whisper's max_initial_timestamp."""


class LogitRules:
    """SuppressBlank, SuppressTokens and ApplyTimestampRules of whisper.decoding 20250625."""

    def __init__(self, vocabulary: WhisperVocabulary) -> None:
        self.vocabulary = vocabulary
        self._eot = vocabulary.eot
        self._begin = vocabulary.timestamp_begin
        self._never = np.array([*vocabulary.suppressed, vocabulary.no_timestamps])

    def __call__(self, logits: NDArray[np.float32], sampled: Sequence[int]) -> None:
        """Sets the logits of tokens that must not be sampled to minus infinity, in place.

        logits: (vocabulary,). sampled: the tokens before, the start tokens left out, but for a timestamp among them.
        """
        text, stamps = logits[: self._begin], logits[self._begin :]
        logits[self._never] = -np.inf
        # A blank text could begin only where no timestamp has to.
        if not sampled:
            text[:] = -np.inf
            stamps[LAST_INITIAL + 1 :] = -np.inf
            return
        latest = next((token for token in reversed(sampled) if token >= self._begin), None)
        if sampled[-1] >= self._begin:
            if len(sampled) < 2 or sampled[-2] >= self._begin:
                stamps[:] = -np.inf
                return
            logits[: self._eot] = -np.inf
            # A pair's second half may equal its first.
            stamps[: sampled[-1] - self._begin] = -np.inf
        elif latest is not None:
            stamps[: latest + 1 - self._begin] = -np.inf
        # openai-whisper compares log-probabilities: the same logits, less one constant.
        if logsumexp(stamps) > text.max():
            text[:] = -np.inf


def logsumexp(logits: NDArray[np.float32]) -> float:
    """Returns the logarithm of the sum of the exponentials; minus infinity where all logits are."""
    highest = float(logits.max(initial=-np.inf))
    return highest if highest == -np.inf else highest + float(np.log(np.exp(logits - np.float32(highest)).sum()))

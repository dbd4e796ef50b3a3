"""The tokens that were decoded of a window, with their probabilities."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """The sampled tokens, without start tokens and end of text.

    logprobs: natural logarithm of each token's probability among those that were allowed.
    sum_logprob: their sum, with that of the end of the text if it came to that.
    no_speech_prob: that of <|nospeech|> right after <|startoftranscript|>.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    sum_logprob: float
    no_speech_prob: float

    @property
    def avg_logprob(self) -> float:
        """As openai-whisper has it: over the tokens and the end of the text."""
        return self.sum_logprob / (len(self.tokens) + 1)

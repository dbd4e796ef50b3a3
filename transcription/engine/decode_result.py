"""The tokens that were decoded of a window, and how probable they are."""

from __future__ import annotations

from dataclasses import dataclass

from transcription.engine.backend import Decoded, Vocabulary


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """The sampled tokens, without start tokens and end of text.

    sum_logprob: of the natural logarithms of their probabilities among the tokens that were allowed, with that of the
    end of the text if it came to that.
    no_speech_prob: that of <|nospeech|> right after <|startoftranscript|>.
    """

    tokens: tuple[int, ...]
    sum_logprob: float
    no_speech_prob: float

    @property
    def avg_logprob(self) -> float:
        """As openai-whisper has it: over the tokens and the end of the text."""
        return self.sum_logprob / (len(self.tokens) + 1)

    def decoded(self, vocabulary: Vocabulary) -> Decoded:
        """Returns this with its text. Raises ArithmeticError as Decoded does."""
        return Decoded(self.tokens, vocabulary.decode(self.tokens), self.avg_logprob, self.no_speech_prob)

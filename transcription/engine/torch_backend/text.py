"""Tokens and text, for a model in torch."""

from __future__ import annotations

from collections.abc import Sequence

from whisper.model import ModelDimensions

from transcription.engine.torch_backend.vocabulary import MULTILINGUAL_TOKENS, tokenizer_of


class TorchVocabulary:
    """openai-whisper's tokenizer."""

    is_whispers = True

    def __init__(self, dims: ModelDimensions) -> None:
        self._tokenizer = tokenizer_of(dims, "en", "transcribe")
        multilingual = dims.n_vocab >= MULTILINGUAL_TOKENS
        self.eot = int(self._tokenizer.eot)
        self.timestamp_begin = int(self._tokenizer.timestamp_begin)
        self.languages = frozenset(self._tokenizer.all_language_codes if multilingual else ["en"])

    def encode(self, text: str) -> list[int]:
        # What looks like a special token is a caller's text; tiktoken would refuse it.
        return list(self._tokenizer.encoding.encode(text, disallowed_special=()))

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode([token for token in tokens if token < self.eot]))

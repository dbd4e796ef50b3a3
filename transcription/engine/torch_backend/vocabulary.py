"""Whisper's tokens, by openai-whisper's tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from whisper.model import ModelDimensions
from whisper.tokenizer import Tokenizer, get_tokenizer

from transcription.engine.own_models.layout import ENGLISH_ONLY
from transcription.engine.whisper_vocabulary import WhisperVocabulary


def tokenizer_of(dims: ModelDimensions, language: str | None = None, task: str | None = None) -> Tokenizer:
    """openai-whisper's tokenizer for a model of these dimensions."""
    multilingual = dims.n_vocab > ENGLISH_ONLY
    languages = dims.n_vocab - 51_765 - int(multilingual)
    return get_tokenizer(multilingual, num_languages=languages, language=language, task=task)


def vocabulary_of(dims: ModelDimensions) -> WhisperVocabulary:
    tokenizer = tokenizer_of(dims)
    # What looks like a special token is a caller's text; tiktoken would refuse it.
    encode = partial(tokenizer.encoding.encode, disallowed_special=())
    return WhisperVocabulary(encode, tokenizer.encoding.decode, tokenizer.special_tokens)


@dataclass(frozen=True, slots=True)
class Start:
    """The tokens before the first one that is sampled, and where among them the transcript starts."""

    tokens: tuple[int, ...]
    sot_index: int


def start_of(
    vocabulary: WhisperVocabulary, language: str | None, task: str = "transcribe", prompt: Sequence[int] = ()
) -> Start:
    """Returns the tokens that openai-whisper's DecodingTask starts with. Raises as WhisperVocabulary.start."""
    tokens = vocabulary.start(language, task, prompt)
    return Start(tuple(tokens), tokens.index(vocabulary.sot))

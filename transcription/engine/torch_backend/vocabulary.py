"""Whisper's tokens, by openai-whisper's tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from whisper.model import ModelDimensions
from whisper.tokenizer import Tokenizer, get_tokenizer

MULTILINGUAL_TOKENS = 51_865
"""The smallest vocabulary of a model that knows more than English."""


@dataclass(slots=True)
class Vocabulary:
    """The tokens of a model. `suppressed` is openai-whisper's suppress_tokens="-1"."""

    size: int
    eot: int
    sot: int
    no_speech: int
    no_timestamps: int
    timestamp_begin: int
    suppressed: tuple[int, ...]
    language_tokens: tuple[int, ...]
    language_codes: tuple[str, ...]
    languages: frozenset[str]
    tokenizer: Tokenizer = field(repr=False)
    is_whispers: bool = True

    def encode(self, text: str) -> list[int]:
        # What looks like a special token is a caller's text; tiktoken would refuse it.
        return list(self.tokenizer.encoding.encode(text, disallowed_special=()))

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode([token for token in tokens if token < self.eot]))


def tokenizer_of(dims: ModelDimensions, language: str | None = None, task: str | None = None) -> Tokenizer:
    """openai-whisper's tokenizer for a model of these dimensions."""
    multilingual = dims.n_vocab >= MULTILINGUAL_TOKENS
    languages = dims.n_vocab - 51_765 - int(multilingual)
    return get_tokenizer(multilingual, num_languages=languages, language=language, task=task)


def vocabulary_of(dims: ModelDimensions) -> Vocabulary:
    tokenizer = tokenizer_of(dims)
    specials = ("transcribe", "translate", "sot", "sot_prev", "sot_lm", "no_speech")
    suppressed = {*tokenizer.non_speech_tokens, *(getattr(tokenizer, name) for name in specials)}
    multilingual = dims.n_vocab >= MULTILINGUAL_TOKENS
    codes = tuple(tokenizer.all_language_codes) if multilingual else ()
    return Vocabulary(
        size=dims.n_vocab,
        eot=tokenizer.eot,
        sot=tokenizer.sot,
        no_speech=tokenizer.no_speech,
        no_timestamps=tokenizer.no_timestamps,
        timestamp_begin=tokenizer.timestamp_begin,
        suppressed=tuple(sorted(suppressed)),
        language_tokens=tuple(tokenizer.all_language_tokens) if multilingual else (),
        language_codes=codes,
        languages=frozenset(codes or ["en"]),
        tokenizer=tokenizer,
    )


@dataclass(frozen=True, slots=True)
class Start:
    """The tokens before the first one that is sampled, and where among them the transcript starts."""

    tokens: tuple[int, ...]
    sot_index: int


def start_of(
    dims: ModelDimensions, language: str | None, task: str = "transcribe", prompt: Sequence[int] = ()
) -> Start:
    """Returns the tokens that openai-whisper's DecodingTask starts with.

    prompt: tokens that the window might continue; the last 223 count. Raises ValueError for a language that no Whisper
    knows.
    """
    tokenizer = tokenizer_of(dims, language, task)
    before = [tokenizer.sot_prev, *prompt[-(dims.n_text_ctx // 2 - 1) :]] if prompt else []
    return Start((*before, *tokenizer.sot_sequence), len(before))

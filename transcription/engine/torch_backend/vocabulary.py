"""The special tokens of a Whisper, and the tokens that a window starts with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whisper.model import ModelDimensions
from whisper.tokenizer import Tokenizer, get_tokenizer

MULTILINGUAL_TOKENS = 51_865
"""The smallest vocabulary of a model that knows more than English."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Token numbers. `suppressed` is openai-whisper's suppress_tokens="-1"."""

    size: int
    eot: int
    sot: int
    sot_prev: int
    no_speech: int
    no_timestamps: int
    timestamp_begin: int
    blank: tuple[int, ...]
    suppressed: tuple[int, ...]
    language_tokens: tuple[int, ...]
    language_codes: tuple[str, ...]


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
    return Vocabulary(
        size=dims.n_vocab,
        eot=tokenizer.eot,
        sot=tokenizer.sot,
        sot_prev=tokenizer.sot_prev,
        no_speech=tokenizer.no_speech,
        no_timestamps=tokenizer.no_timestamps,
        timestamp_begin=tokenizer.timestamp_begin,
        blank=(*tokenizer.encode(" "), tokenizer.eot),
        suppressed=tuple(sorted(suppressed)),
        language_tokens=tuple(tokenizer.all_language_tokens) if multilingual else (),
        language_codes=tuple(tokenizer.all_language_codes) if multilingual else (),
    )


@dataclass(frozen=True, slots=True)
class Start:
    """The tokens before the first one that is sampled, and where among them the transcript starts."""

    tokens: tuple[int, ...]
    sot_index: int


def start_of(
    dims: ModelDimensions,
    language: str | None,
    task: str = "transcribe",
    prompt: str | Sequence[int] = (),
    timestamps: bool = True,
) -> Start:
    """Returns the tokens that openai-whisper's DecodingTask starts with.

    prompt: text, or tokens, that the window might continue; its last 223 tokens count.
    Raises ValueError for a language that no Whisper knows.
    """
    tokenizer = tokenizer_of(dims, language, task)
    before = list(_encoded(tokenizer, prompt.strip()) if isinstance(prompt, str) else prompt)
    if before:
        before = [tokenizer.sot_prev, *before[-(dims.n_text_ctx // 2 - 1) :]]
    sequence = tokenizer.sot_sequence if timestamps else tokenizer.sot_sequence_including_notimestamps
    return Start((*before, *sequence), len(before))


def _encoded(tokenizer: Tokenizer, prompt: str) -> list[int]:
    return list(tokenizer.encode(" " + prompt)) if prompt else []

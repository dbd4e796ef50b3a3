"""Encodes and decodes text as Whisper's tokens, and builds the tokens that decoding starts with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from transcription.engine.backend import Work
from transcription.engine.languages import LANGUAGES
from transcription.engine.model_folder import TOKENIZER
from transcription.engine.own_models.layout import ENGLISH_ONLY
from transcription.engine.types import LAST_TIMESTAMP

SYMBOLS = (
    *'"#()*+/:;<=>@[\\]^_`{|}~「」『』',
    *("<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", '("', "((", "))", "(((", ")))", "[[", "]]", "{{", "}}"),
    *("♪♪", "♪♪♪"),
)
MUSIC = tuple("♩♪♫♬♭♮♯")
INSIDE_WORDS = (" -", " '")
"""Symbols that are suppressed at the beginning of a word only."""


class WhisperVocabulary:
    """The tokens of one model. The tokenizer has no special tokens, so that everything a user types is text."""

    is_whispers = True

    def __init__(
        self, encode: Callable[[str], list[int]], decode: Callable[[list[int]], str], special: Mapping[str, int]
    ) -> None:
        """encode, decode: of text. special: the number of each special token. Raises KeyError if one is missing."""
        self._encode = encode
        self._decode = decode
        self._special = special
        self.eot = special["<|endoftext|>"]
        self.sot = special["<|startoftranscript|>"]
        self.sot_prev = special["<|startofprev|>"]
        self.no_timestamps = special["<|notimestamps|>"]
        self.timestamp_begin = self.no_timestamps + 1
        self.no_speech = special.get("<|nospeech|>", special.get("<|nocaptions|>", self.no_timestamps - 1))
        self.size = self.timestamp_begin + LAST_TIMESTAMP + 1
        self.multilingual = self.size > ENGLISH_ONLY
        known = (code for code in LANGUAGES if f"<|{code}|>" in special)
        self.language_tokens = {code: special[f"<|{code}|>"] for code in known} if self.multilingual else {}
        self.languages = frozenset(self.language_tokens or {"en"})

    @classmethod
    def read(cls, folder: Path) -> WhisperVocabulary:
        """Reads a model's folder. Raises OSError, KeyError, ValueError or tokenizers' own error for a damaged file."""
        import tokenizers  # here: torch's backend, which has openai-whisper's, does without it

        parts = json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))
        special = {token["content"]: int(token["id"]) for token in parts["added_tokens"]}
        plain = tokenizers.Tokenizer.from_str(json.dumps(parts | {"added_tokens": [], "post_processor": None}))
        return cls(
            lambda text: plain.encode(text, add_special_tokens=False).ids,
            lambda tokens: plain.decode(tokens, skip_special_tokens=False),
            special,
        )

    def encode(self, text: str) -> list[int]:
        """Returns the tokens of a text. What looks like a special token is encoded as text."""
        # JSON may hold unpaired surrogates, which are replaced as in tiktoken.
        return self._encode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))

    def decode(self, tokens: Sequence[int]) -> str:
        """Returns the text of tokens, without timestamps and special tokens."""
        return self._decode([token for token in tokens if token < self.eot])

    def sequence(self, language: str | None, task: str) -> list[int]:
        """Returns openai-whisper's sot_sequence. Raises ValueError for a language that the model has no token for."""
        if not self.multilingual:
            return [self.sot]
        if language not in self.language_tokens:
            raise ValueError(f"the model has no token for the language {language!r}")
        return [self.sot, self.language_tokens[language], self._special[f"<|{task}|>"]]

    def start(self, language: str | None, task: str, prompt: Sequence[int] = ()) -> list[int]:
        """Returns the tokens before the first sampled one: prompt and `sequence`.

        Raises ValueError for a prompt with <|startoftranscript|> or with numbers that are no tokens: CTranslate2 takes
        the former for the start, and reads out of bounds for the latter.
        """
        if not all(0 <= token < self.size and token != self.sot for token in prompt):
            raise ValueError("the prompt holds what is no token of a text")
        return [*([self.sot_prev, *prompt] if prompt else ()), *self.sequence(language, task)]

    def start_of(self, work: Work) -> list[int]:
        """Returns the `start` of a work, and for a tail its first timestamp after it."""
        tail = work.window.tail
        start = self.start(work.language, work.options.task, work.prompt)
        return [*start, self.timestamp_begin + tail.after] if tail else start

    @cached_property
    def suppressed(self) -> list[int]:
        """The tokens that are never sampled: those of openai-whisper's DecodingTask._get_suppress_tokens."""
        special = ("transcribe", "translate", "startoftranscript", "startofprev", "startoflm")
        found = {self._special[f"<|{name}|>"] for name in special} | {self.no_speech}
        found |= {self.encode(start)[0] for start in INSIDE_WORDS}
        for symbol in (*SYMBOLS, *MUSIC):
            for tokens in (self.encode(symbol), self.encode(" " + symbol)):
                if len(tokens) == 1 or symbol in MUSIC:
                    found.add(tokens[0])
        return sorted(found)

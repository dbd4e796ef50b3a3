"""Encodes and decodes text with a model's `tokenizer.json`, and builds the tokens that decoding starts with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import tokenizers

from transcription.engine.backend import Work
from transcription.engine.languages import LANGUAGES
from transcription.engine.types import LAST_TIMESTAMP

FILE = "tokenizer.json"

SYMBOLS = (
    *'"#()*+/:;<=>@[\\]^_`{|}~「」『』',
    *("<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", '("', "((", "))", "(((", ")))", "[[", "]]", "{{", "}}"),
    *("♪♪", "♪♪♪"),
)
MUSIC = tuple("♩♪♫♬♭♮♯")
INSIDE_WORDS = (" -", " '")
"""Symbols that are suppressed at the beginning of a word only."""


class TokenizerVocabulary:
    """The tokens of one model. The tokenizer has no special tokens, so that everything a user types is text."""

    is_whispers = True

    def __init__(self, tokenizer: tokenizers.Tokenizer, added: dict[str, int], multilingual: bool) -> None:
        """added: the number of each special token and timestamp. Raises KeyError if one is missing."""
        self._tokenizer = tokenizer
        self._added = added
        self.eot = added["<|endoftext|>"]
        self.sot = added["<|startoftranscript|>"]
        self.sot_prev = added["<|startofprev|>"]
        self.timestamp_begin = added["<|notimestamps|>"] + 1
        self.no_speech = added.get("<|nospeech|>", added.get("<|nocaptions|>", self.timestamp_begin - 2))
        self.size = self.timestamp_begin + LAST_TIMESTAMP + 1
        self.multilingual = multilingual
        known = (code for code in LANGUAGES if f"<|{code}|>" in added)
        self.language_tokens = {code: added[f"<|{code}|>"] for code in known} if multilingual else {}
        self.languages = frozenset(self.language_tokens or {"en"})

    @classmethod
    def read(cls, folder: Path, multilingual: bool) -> TokenizerVocabulary:
        """Reads a model's folder. Raises OSError, KeyError, ValueError or tokenizers' own error for a damaged file."""
        parts = json.loads((folder / FILE).read_text(encoding="utf-8"))
        added = {token["content"]: int(token["id"]) for token in parts["added_tokens"]}
        plain = tokenizers.Tokenizer.from_str(json.dumps(parts | {"added_tokens": [], "post_processor": None}))
        return cls(plain, added, multilingual)

    def encode(self, text: str) -> list[int]:
        """Returns the tokens of a text. What looks like a special token is encoded as text."""
        # JSON may hold unpaired surrogates, which are replaced as in tiktoken.
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        tokens: list[int] = self._tokenizer.encode(whole, add_special_tokens=False).ids
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """Returns the text of tokens, without timestamps and special tokens."""
        text: str = self._tokenizer.decode([token for token in tokens if token < self.eot], skip_special_tokens=False)
        return text

    def sequence(self, work: Work) -> list[int]:
        """Returns openai-whisper's sot_sequence. Raises ValueError for a language that the model has no token for."""
        if not self.multilingual:
            return [self.sot]
        language = self.language_tokens.get(work.language or "")
        if language is None:
            raise ValueError(f"the model has no token for the language {work.language!r}")
        return [self.sot, language, self._added[f"<|{work.options.task}|>"]]

    def start(self, work: Work) -> list[int]:
        """Returns the tokens before the first sampled one: prompt, `sequence`, and for a tail its first timestamp.

        Raises ValueError for a prompt with <|startoftranscript|> or with numbers that are no tokens: CTranslate2 takes
        the former for the start, and reads out of bounds for the latter.
        """
        tail = work.window.tail
        sequence = [*self.sequence(work), *([self.timestamp_begin + tail.after] if tail else ())]
        if not work.prompt:
            return sequence
        if not all(0 <= token < self.size and token != self.sot for token in work.prompt):
            raise ValueError("the prompt holds what is no token of a text")
        return [self.sot_prev, *work.prompt, *sequence]

    @cached_property
    def suppressed(self) -> list[int]:
        """The tokens that are never sampled: those of openai-whisper's DecodingTask._get_suppress_tokens."""
        special = ("transcribe", "translate", "startoftranscript", "startofprev", "startoflm")
        found = {self._added[f"<|{name}|>"] for name in special} | {self.no_speech}
        found |= {self.encode(start)[0] for start in INSIDE_WORDS}
        for symbol in (*SYMBOLS, *MUSIC):
            for tokens in (self.encode(symbol), self.encode(" " + symbol)):
                if len(tokens) == 1 or symbol in MUSIC:
                    found.add(tokens[0])
        return sorted(found)

"""A model's tokens, as its `tokenizer.json` has them."""

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
"""Allowed between letters, but not at the beginning of a word."""


class Ctranslate2Vocabulary:
    """The tokens of one model.

    The tokenizer knows none of the special tokens: whatever a user types is text.
    """

    is_whispers = True

    def __init__(self, tokenizer: tokenizers.Tokenizer, added: dict[str, int], multilingual: bool) -> None:
        """added: the number of each special token and timestamp. Raises KeyError if one is missing."""
        self._tokenizer = tokenizer
        self._added = added
        self.eot = added["<|endoftext|>"]
        self.sot = added["<|startoftranscript|>"]
        self.sot_prev = added["<|startofprev|>"]
        self.timestamp_begin = added["<|notimestamps|>"] + 1
        self.size = self.timestamp_begin + LAST_TIMESTAMP + 1
        self.multilingual = multilingual
        known = (code for code in LANGUAGES if f"<|{code}|>" in added)
        self.languages = frozenset(known) if multilingual else frozenset({"en"})

    @classmethod
    def read(cls, folder: Path, multilingual: bool) -> Ctranslate2Vocabulary:
        """Raises OSError, KeyError or ValueError for a damaged file; whatever `tokenizers` raises, too."""
        parts = json.loads((folder / FILE).read_text(encoding="utf-8"))
        added = {token["content"]: int(token["id"]) for token in parts["added_tokens"]}
        plain = tokenizers.Tokenizer.from_str(json.dumps(parts | {"added_tokens": [], "post_processor": None}))
        return cls(plain, added, multilingual)

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, which may be hostile: what looks like a special token is text."""
        # Halves of surrogate pairs come in through JSON: tiktoken's way with them.
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        tokens: list[int] = self._tokenizer.encode(whole, add_special_tokens=False).ids
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; timestamps and special tokens are left out."""
        text: str = self._tokenizer.decode([token for token in tokens if token < self.eot], skip_special_tokens=False)
        return text

    def sequence(self, work: Work) -> list[int]:
        """openai-whisper's sot_sequence. Raises ValueError for a language that the model has no token for."""
        if not self.multilingual:
            return [self.sot]
        language = self._added.get(f"<|{work.language}|>")
        if work.language not in self.languages or language is None:
            raise ValueError(f"the model has no token for the language {work.language!r}")
        return [self.sot, language, self._added[f"<|{work.options.task}|>"]]

    def start(self, work: Work) -> list[int]:
        """All tokens before the first that the model is to find, and of a tail the timestamp with which that begins.

        Raises ValueError for a prompt with tokens that would mislead CTranslate2, or lead it out of its tables.
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
        """Tokens never to be sampled: openai-whisper's DecodingTask._get_suppress_tokens."""
        special = ("transcribe", "translate", "startoftranscript", "startofprev", "startoflm")
        silent = self._added.get("<|nospeech|>", self._added.get("<|nocaptions|>"))
        found = {self._added[f"<|{name}|>"] for name in special} | ({silent} if silent is not None else set())
        found |= {self.encode(start)[0] for start in INSIDE_WORDS}
        for symbol in (*SYMBOLS, *MUSIC):
            for tokens in (self.encode(symbol), self.encode(" " + symbol)):
                if len(tokens) == 1 or symbol in MUSIC:
                    found.add(tokens[0])
        return sorted(found)

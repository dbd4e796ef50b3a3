"""Splits tokens into words and times them from an alignment, as whisper.tokenizer and whisper.timing do."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import fmean

from transcription.engine.backend import Vocabulary, WordTiming
from transcription.engine.types import TIMESTAMPS_PER_SECOND

WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages without spaces between words: every character counts as a word."""

UNKNOWN = "\ufffd"

Spelled = tuple[str, list[int]]
"""A word or character and its tokens."""


def timings(words: Sequence[Spelled], arrivals: Sequence[int], probabilities: Sequence[float]) -> list[WordTiming]:
    """Returns the words of a text with start and end in seconds of the window, their mean and their joint probability.

    words: all words of the text. arrivals: of each token, and of the end of the text, the 20 ms step at which the
    alignment reaches it. probabilities: of each token.
    """
    bounds = pairwise(accumulate((len(tokens) for _, tokens in words), initial=0))
    return [
        WordTiming(
            word,
            tokens,
            arrivals[begin] / TIMESTAMPS_PER_SECOND,
            arrivals[end] / TIMESTAMPS_PER_SECOND,
            fmean(probabilities[begin:end]),
            math.prod(probabilities[begin:end]),
        )
        for (word, tokens), (begin, end) in zip(words, bounds, strict=True)
    ]


def split(tokens: Sequence[int], language: str | None, vocabulary: Vocabulary) -> list[Spelled]:
    """Returns the words of a text, as openai-whisper's split_to_word_tokens does.

    Every token belongs to a word, and words keep their leading space.
    """
    characters = _whole_characters(tokens, vocabulary)
    return characters if language in WITHOUT_SPACES else _joined(characters)


def _whole_characters(tokens: Sequence[int], vocabulary: Vocabulary) -> list[Spelled]:
    """Splits tokens wherever they end a character: are valid UTF-8, or invalid in the whole text, too."""
    text = vocabulary.decode(tokens)
    found: list[Spelled] = []
    current: list[int] = []
    offset = 0
    for token in tokens:
        current.append(token)
        decoded = vocabulary.decode(current)
        unknown = decoded.find(UNKNOWN)
        at = offset + unknown
        if unknown < 0 or (at < len(text) and text[at] == UNKNOWN):
            found.append((decoded, current))
            current = []
            offset += len(decoded)
    if current and found:
        # The text ends with an incomplete character.
        word, before = found.pop()
        return [*found, (word, [*before, *current])]
    return [*found, (vocabulary.decode(current), current)] if current else found


def _joined(characters: Sequence[Spelled]) -> list[Spelled]:
    """Joins characters into words, which begin at spaces and punctuation."""
    words: list[Spelled] = []
    for text, tokens in characters:
        # As in openai-whisper, any substring of the punctuation counts, the empty one included.
        if not words or text.startswith(" ") or text.strip() in string.punctuation:
            words.append((text, list(tokens)))
        else:
            before, held = words[-1]
            words[-1] = (before + text, [*held, *tokens])
    return words

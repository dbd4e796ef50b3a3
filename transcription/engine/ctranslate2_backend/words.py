"""Words out of tokens, and their times out of an alignment: whisper.timing and whisper.tokenizer."""

from __future__ import annotations

import string
from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import fmean

from transcription.engine.backend import Vocabulary, WordTiming

WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages that write no spaces between words: every character that is whole is a word."""

TOKENS_PER_SECOND = 50
UNKNOWN = "\ufffd"

Spelled = tuple[str, list[int]]
"""A piece of text and its tokens."""


def timings(
    words: Sequence[Spelled], path: Sequence[tuple[int, int]], probabilities: Sequence[float]
) -> list[WordTiming]:
    """Time words that cover a text's tokens.

    path: (token, 20 ms step) pairs, which rise in both; the text's end counts as a token.
    probabilities: of each token.
    """
    reached: dict[int, int] = {}
    for token, step in path:
        # Where nothing tells the steps apart, the path may begin before the first.
        reached.setdefault(token, max(0, step))
    bounds = pairwise(accumulate((len(tokens) for _, tokens in words), initial=0))
    return [
        WordTiming(
            word,
            tokens,
            reached.get(begin, 0) / TOKENS_PER_SECOND,
            reached.get(end, 0) / TOKENS_PER_SECOND,
            fmean(probabilities[begin:end]),
        )
        for (word, tokens), (begin, end) in zip(words, bounds, strict=True)
    ]


def split(tokens: Sequence[int], language: str | None, vocabulary: Vocabulary) -> list[Spelled]:
    """openai-whisper's split_to_word_tokens: every token is in a word, and words keep their leading space."""
    characters = _whole_characters(tokens, vocabulary)
    return characters if language in WITHOUT_SPACES else _joined(characters)


def _whole_characters(tokens: Sequence[int], vocabulary: Vocabulary) -> list[Spelled]:
    """Split wherever the tokens so far are valid UTF-8, or no more tokens would make them so."""
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
        # The text ends within a character.
        word, before = found.pop()
        return [*found, (word, [*before, *current])]
    return [*found, (vocabulary.decode(current), current)] if current else found


def _joined(characters: Sequence[Spelled]) -> list[Spelled]:
    """Put together what no space and no punctuation keeps apart."""
    words: list[Spelled] = []
    for text, tokens in characters:
        # Substrings of the punctuation count, the empty one included: so they do for openai-whisper.
        if not words or text.startswith(" ") or text.strip() in string.punctuation:
            words.append((text, list(tokens)))
        else:
            before, held = words[-1]
            words[-1] = (before + text, [*held, *tokens])
    return words

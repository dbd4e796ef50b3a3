"""Splits a text into spans that match a query or don't, without markup."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from transcription.search.folding import UNITS, Term, fold

_PLAIN = {code: " " for code in range(128) if not chr(code).isalnum()}


@dataclass(frozen=True)
class TextSpan:
    text: str
    match: bool


def highlight(text: str, terms: Sequence[Term]) -> list[TextSpan]:
    """Returns the text, composed (NFC), in spans. A word that begins with a term matches as a whole."""
    text = unicodedata.normalize("NFC", text)
    parts, at = list[TextSpan](), 0
    for begin, end in _joined(_spans(text, terms)):
        if at < begin:
            parts.append(TextSpan(text[at:begin], False))
        parts.append(TextSpan(text[begin:end], True))
        at = end
    return [*parts, TextSpan(text[at:], False)] if at < len(text) else parts


def excerpt(spans: Sequence[TextSpan], lead: int = 40) -> list[TextSpan]:
    """Returns the spans from about `lead` characters before the first match on, after an ellipsis if that cuts."""
    first, *others = spans
    if first.match or len(first.text) <= lead:
        return [*spans]
    kept = first.text[-lead:]
    word = kept.find(" ") + 1
    return [TextSpan("…" + (kept[word:] or kept), False), *others]


def _spans(text: str, terms: Sequence[Term]) -> Iterator[tuple[int, int]]:
    units = [(0, text)] if text.isascii() else [(unit.start(), unit[0]) for unit in UNITS.finditer(text)]
    for start, unit in units:
        folded, places = _folded(unit)
        for term in terms:
            at = folded.find(term.pattern)
            while at >= 0:
                begin = at + len(term.pattern) - len(term.text)
                end = begin + len(term.text)
                if not term.is_unspaced:
                    end = min(found for found in (folded.find(" ", end), len(folded)) if found >= 0)
                yield start + places[begin], start + places[end - 1] + 1
                at = folded.find(term.pattern, end)


def _folded(text: str) -> tuple[str, list[int]]:
    """Folds character by character; returns the folded text, and for each of its characters the original's index."""
    if text.isascii():
        return f" {text.lower().translate(_PLAIN)}", [0, *range(len(text))]
    folded, places = [" "], [0]
    for number, character in enumerate(text):
        part = _fold_character(character)
        folded.append(part)
        places += [number] * len(part)
    return "".join(folded), places


@lru_cache(maxsize=8192)
def _fold_character(character: str) -> str:
    """Returns the folded character: a space for a separator, nothing for a combining accent."""
    if folded := fold(character):
        return folded[1:]
    return "" if fold(f"a{character}a") == " aa" else " "


def _joined(spans: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorts spans and merges those that overlap or touch."""
    joined = list[tuple[int, int]]()
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined

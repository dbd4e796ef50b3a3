"""Where the terms of a query stand in a text, as parts that match or not: nobody has markup to escape."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from transcription.scripts import UNSPACED
from transcription.search.folding import Term, fold

_PLAIN = {code: " " for code in range(128) if not chr(code).isalnum()}
_UNIT = re.compile(rf"[{UNSPACED}]+|[^\s{UNSPACED}]+")


@dataclass(frozen=True)
class TextSpan:
    text: str
    match: bool


def highlight(text: str, terms: Sequence[Term]) -> list[TextSpan]:
    """The text, composed (NFC), in parts. A word that begins with a term matches as a whole."""
    text = unicodedata.normalize("NFC", text)
    parts, at = list[TextSpan](), 0
    for begin, end in _joined(_spans(text, terms)):
        if at < begin:
            parts.append(TextSpan(text[at:begin], False))
        parts.append(TextSpan(text[begin:end], True))
        at = end
    return [*parts, TextSpan(text[at:], False)] if at < len(text) else parts


def _spans(text: str, terms: Sequence[Term]) -> Iterator[tuple[int, int]]:
    for unit in _UNIT.finditer(text):
        folded, places = _folded(unit[0])
        for term in terms:
            at = folded.find(term.pattern)
            while at >= 0:
                begin = at + len(term.pattern) - len(term.text)
                end = begin + len(term.text)
                if not term.is_unspaced:
                    end = min(found for found in (folded.find(" ", end), len(folded)) if found >= 0)
                yield unit.start() + places[begin], unit.start() + places[end - 1] + 1
                at = folded.find(term.pattern, end)


def _folded(text: str) -> tuple[str, list[int]]:
    """As `fold` does it, character by character: for each of the folded ones, which one it comes from."""
    if text.isascii():
        return f" {text.lower().translate(_PLAIN)}", [0, *range(len(text))]
    folded, places = [" "], [0]
    for number, character in enumerate(text):
        piece = _piece(character)
        folded.append(piece)
        places += [number] * len(piece)
    return "".join(folded), places


@lru_cache(maxsize=8192)
def _piece(character: str) -> str:
    """What is left of it: a space where a word ends, nothing of a combining accent."""
    if now := fold(character):
        return now[1:]
    return "" if fold(f"a{character}a") == " aa" else " "


def _joined(spans: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order; those that overlap or touch are one."""
    joined = list[tuple[int, int]]()
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined

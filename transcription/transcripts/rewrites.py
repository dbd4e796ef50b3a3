"""What is replaced in a text: places, and what comes there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol
from uuid import UUID


class Rewrite(NamedTuple):
    """The characters of a text from `start` to before `end`, and what becomes of them."""

    start: int
    end: int
    text: str


class Rule(Protocol):
    """What is to be replaced wherever it stands. `action` names revisions of it.

    `within` returns what is replaced in the recordings of a folder, or of none.
    `may_match` is given the text of a whole transcript, `rewrites` that of a segment, without spaces at its ends; what
    it returns is in order and without overlaps.
    """

    @property
    def action(self) -> str: ...

    def within(self, folder_id: UUID | None) -> Rule: ...

    def may_match(self, text: str) -> bool: ...

    def rewrites(self, text: str) -> Iterable[Rewrite]: ...


def rewritten(text: str, rewrites: Iterable[Rewrite]) -> str:
    parts, done = list[str](), 0
    for start, end, replacement in rewrites:
        parts += [text[done:start], replacement]
        done = end
    return "".join([*parts, text[done:]]) if parts else text

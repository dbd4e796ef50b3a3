"""Gives words to speakers, and splits segments where the speaker changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from transcription.diarization.types import Turn


class Word(NamedTuple):
    """A word with its time, in seconds; the text keeps its leading space, as the engine's words do."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """Who speaks a word.

    speaker: None where nobody was heard near it. overlap: somebody else speaks in at least half of it, too.
    """

    speaker: int | None
    overlap: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A run of a segment's words by one speaker: `words[first:last]`, and what they are together."""

    start: float
    end: float
    text: str
    first: int
    last: int
    speaker: int | None
    overlap: bool


def assign(words: Sequence[tuple[float, float]], turns: Sequence[Turn]) -> list[Assigned]:
    """Returns for each word (start, end) who speaks it. turns: in order of their start."""
    raise NotImplementedError


def split(words: Sequence[Word], assigned: Sequence[Assigned]) -> list[Part]:
    """Returns a segment's words as runs of one speaker, in order; a single one where nobody else speaks.

    Where a speaker would have a single short word within another one's sentence (see the rule at SHORTEST_RUN), it
    goes to the other one.
    """
    raise NotImplementedError

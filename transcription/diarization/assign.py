"""Gives words to speakers, and splits segments where the speaker changes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from transcription.diarization.types import Turn

NEAR_SECONDS = 1.0
"""A word in which nobody was heard is given to whoever speaks so near to it."""

OVERLAP_SHARE = 0.5
SHORTEST_RUN = 0.35
"""Seconds: a shorter run of one speaker's words between two of another's is the other one's."""


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
    """Returns for each word (start, end) who speaks it: who is heard longest in it, or else nearest to it.

    turns: in order of their start.
    """
    longest = max((turn.end - turn.start for turn in turns), default=0.0)
    starts = [turn.start for turn in turns]
    found = []
    for start, end in words:
        first = bisect_left(starts, start - longest - NEAR_SECONDS)
        last = bisect_right(starts, end + NEAR_SECONDS)
        found.append(_assigned(start, end, turns[first:last]))
    return found


def split(words: Sequence[Word], assigned: Sequence[Assigned]) -> list[Part]:
    """Returns a segment's words as runs of one speaker, in order; a single one where nobody else speaks.

    A word of nobody's goes with the words before it, or else with those after it. A run shorter than SHORTEST_RUN
    between two runs of one speaker goes to that speaker.
    """
    speakers = _carried([each.speaker for each in assigned])
    runs = _runs(speakers)
    for (_, before), (here, _), (_, after) in zip(runs, runs[1:], runs[2:], strict=False):
        if before == after and words[here[-1]].end - words[here[0]].start < SHORTEST_RUN:
            for index in here:
                speakers[index] = before
    return [
        Part(
            words[members[0]].start,
            words[members[-1]].end,
            "".join(words[index].text for index in members),
            members[0],
            members[-1] + 1,
            speaker,
            any(assigned[index].overlap for index in members),
        )
        for members, speaker in _runs(speakers)
    ]


def _assigned(start: float, end: float, turns: Sequence[Turn]) -> Assigned:
    shares: dict[int, float] = {}
    distances: dict[int, float] = {}
    for turn in turns:
        shared = min(end, turn.end) - max(start, turn.start)
        if shared > 0:
            shares[turn.speaker] = shares.get(turn.speaker, 0.0) + shared
        distances[turn.speaker] = min(distances.get(turn.speaker, NEAR_SECONDS), max(0.0, -shared))
    if not shares:
        nearest = min(distances, key=lambda speaker: (distances[speaker], speaker), default=None)
        near = nearest is not None and distances[nearest] < NEAR_SECONDS
        return Assigned(nearest if near else None, False)
    loudest = max(shares, key=lambda speaker: (shares[speaker], -speaker))
    others = (share for speaker, share in shares.items() if speaker != loudest)
    return Assigned(loudest, any(share >= OVERLAP_SHARE * (end - start) for share in others))


def _carried(speakers: Sequence[int | None]) -> list[int | None]:
    first = next((speaker for speaker in speakers if speaker is not None), None)
    carried: list[int | None] = []
    for speaker in speakers:
        carried.append(speaker if speaker is not None else carried[-1] if carried else first)
    return carried


def _runs(speakers: Sequence[int | None]) -> list[tuple[list[int], int | None]]:
    return [(list(members), speaker) for speaker, members in groupby(range(len(speakers)), key=speakers.__getitem__)]

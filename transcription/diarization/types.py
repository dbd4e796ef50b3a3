"""What goes into a diarization and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_RATE = 16_000
MOST_SPEAKERS = 20


class DiarizationError(Exception):
    """The speakers could not be told apart. The message is one line: the cause and, where there is one, a remedy."""


@dataclass(frozen=True, slots=True)
class SpeakerCount:
    """How many speakers there are, both bounds included."""

    minimum: int = 1
    maximum: int = MOST_SPEAKERS

    def __post_init__(self) -> None:
        if not 1 <= self.minimum <= self.maximum <= MOST_SPEAKERS:
            raise ValueError(f"from 1 to {MOST_SPEAKERS} speakers, not from {self.minimum} to {self.maximum}")


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody speaks from `start` to `end`, in seconds.

    speaker: numbered from 0 by first appearance.
    """

    start: float
    end: float
    speaker: int


@dataclass(frozen=True, slots=True)
class Diarization:
    """The turns of a recording in order of their start; turns of different speakers may overlap.

    by_channel: each of two channels is a speaker; speaker numbers are those of the channels, 0 for the left one.
    """

    turns: tuple[Turn, ...]
    by_channel: bool

    @property
    def speakers(self) -> tuple[int, ...]:
        """The numbers of the speakers, ascending."""
        return tuple(sorted({turn.speaker for turn in self.turns}))

"""What a live session hears: sound as it arrives, divided into turns."""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transcription.engine.types import SAMPLE_RATE
from transcription.live.turn import Turn
from transcription.live.turns import TurnDetection, TurnEdge

LONGEST_TURN_SECONDS = 60.0
"""A turn that is longer ends, and another one begins."""

SHORTEST_SECONDS = 0.1
"""Sound that makes a turn, where a program says where it ends."""

MOST_BEHIND_SECONDS = 60.0
"""Sound that no pass has heard, beyond which a session takes no more until the engine has caught up."""

SPARE_SECONDS = 0.5
"""Sound before a voice that is kept beyond the padding: it is known to be one after some frames."""


@dataclass(frozen=True, slots=True)
class TurnChange:
    """A turn began, or it ended; `at` is the sample of the session where it did. `is_heard` says whether the voice
    detector found it.
    """

    turn: Turn
    at: int
    begins: bool
    is_heard: bool


class LiveSession:
    """The turns of one session, the oldest first. `detection` is None where the program says where turns end.

    `language` is that of the last turn whose language was sure.
    """

    def __init__(self, detection: TurnDetection | None) -> None:
        self.turns: deque[Turn] = deque()
        self.detection = detection
        self.language = ""
        self._open: Turn | None = None
        self._loose: NDArray[np.int16] = np.zeros(0, dtype=np.int16)
        self._loose_at = 0

    @property
    def seconds_behind(self) -> float:
        """Seconds of turns that no pass has heard."""
        return sum(turn.unheard_seconds for turn in self.turns)

    @property
    def due(self) -> Turn | None:
        """The turn of which a pass is to be made: one after the other, since each pass may settle the last."""
        return self.turns[0] if self.turns and self.turns[0].is_due else None

    @property
    def seconds(self) -> float:
        """Seconds of sound that arrived."""
        return (self._loose_at + len(self._loose)) / SAMPLE_RATE

    def add(self, samples: NDArray[np.int16], edges: list[TurnEdge]) -> list[TurnChange]:
        """Takes the next samples, in which the voice detector found `edges`. Returns which turns began and ended."""
        changes: list[TurnChange] = []
        self._loose = np.concatenate([self._loose, samples])
        for edge in edges:
            if edge.begins:
                self._advance_to(max(edge.sample, self._loose_at))
                changes.append(self._begin(is_heard=True))
            elif self._open is not None:
                changes += self._fill(edge.sample)
                changes.append(self._end(is_heard=True))
        if self.detection is None and self._open is None and len(self._loose):
            self._begin(is_heard=False)
        if self._open is not None:
            changes += self._fill(self._loose_at + len(self._loose))
        elif self.detection is not None:
            kept = round((self.detection.prefix_padding_ms / 1000 + SPARE_SECONDS) * SAMPLE_RATE)
            self._advance_to(max(self._loose_at, self._loose_at + len(self._loose) - kept))
        return changes

    def commit(self) -> TurnChange | None:
        """Ends the turn, and returns it; None where there is too little sound."""
        if self._open is None or self._open.seconds < SHORTEST_SECONDS:
            return None
        return self._end(is_heard=False)

    def close(self) -> list[TurnChange]:
        """Ends the turn that is open, or forgets it where it is too short; no more sound comes. Returns the change."""
        change = self.commit()
        self.clear()
        return [change] if change else []

    def clear(self) -> Turn | None:
        """Forgets the turn that has not ended, and the sound before one. Returns the turn, if there was one."""
        cleared, self._open = self._open, None
        if cleared is not None:
            self.turns.remove(cleared)
        self._advance_to(self._loose_at + len(self._loose))
        return cleared

    def finish(self, turn: Turn) -> None:
        """Forgets a turn whose text is whole, or that was given up; the next ones are perhaps in its language."""
        self.language = turn.language or self.language
        if turn in self.turns:
            self.turns.remove(turn)

    def _fill(self, end: int) -> list[TurnChange]:
        """Gives the open turn the sound up to a sample. Returns the changes of turns that became too long."""
        changes: list[TurnChange] = []
        while self._open is not None and self._loose_at < end:
            room = round(LONGEST_TURN_SECONDS * SAMPLE_RATE) - self._open.samples
            count = min(end - self._loose_at, room)
            self._open.append(self._loose[:count])
            self._advance_to(self._loose_at + count)
            if count == room:
                is_heard = self.detection is not None
                changes += [self._end(is_heard), self._begin(is_heard)]
        return changes

    def _begin(self, is_heard: bool) -> TurnChange:
        self._open = Turn(f"item_{secrets.token_hex(12)}", self._loose_at, self.language)
        self.turns.append(self._open)
        return TurnChange(self._open, self._loose_at, begins=True, is_heard=is_heard)

    def _end(self, is_heard: bool) -> TurnChange:
        turn = self._open
        assert turn is not None
        turn.is_whole, self._open = True, None
        return TurnChange(turn, self._loose_at, begins=False, is_heard=is_heard)

    def _advance_to(self, sample: int) -> None:
        self._loose, self._loose_at = self._loose[sample - self._loose_at :], sample

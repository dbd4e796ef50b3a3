"""Encoded windows that wait for a thread that decodes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from transcription.engine.backend import BatchModel
from transcription.engine.lane_queue import Request
from transcription.engine.types import LANES, Lane


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A request with the model that encoded its window and that it keeps open."""

    model: BatchModel
    request: Request


class EncodedBuffer:
    """Keeps encoded windows in the order of their arrival. Not thread-safe: its owner holds a lock."""

    def __init__(self) -> None:
        self._held: list[Encoded] = []

    def __len__(self) -> int:
        return len(self._held)

    def add(self, encoded: Iterable[Encoded]) -> None:
        self._held.extend(encoded)

    def holds(self, lanes: Collection[Lane]) -> bool:
        """Returns whether a window of one of these lanes is in the buffer."""
        return any(encoded.request.stream.lane in lanes for encoded in self._held)

    def take(self, limit: int) -> list[Encoded]:
        """Removes and returns the most urgent window and, up to `limit` in all, others of its model and batch key."""
        if not self._held:
            return []
        first = min(self._held, key=lambda encoded: LANES.index(encoded.request.stream.lane))
        key = first.model.batch_key(first.request.work)
        alike = [one for one in self._held if one.model is first.model and one.model.batch_key(one.request.work) == key]
        alike.sort(key=lambda encoded: LANES.index(encoded.request.stream.lane))
        taken = alike[:limit]
        self._held = [encoded for encoded in self._held if encoded not in taken]
        return taken

    def drop_abandoned(self) -> list[Encoded]:
        """Removes and returns the windows of abandoned streams."""
        abandoned = [encoded for encoded in self._held if encoded.request.stream.abandoned]
        self._held = [encoded for encoded in self._held if not encoded.request.stream.abandoned]
        return abandoned

"""Assigns windows to slots and rows, and limits how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.readback import Occupant

RESERVED_SHARE = 8
"""One slot in so many is reserved for urgent windows."""

FEW_ROWS = 16
"""Rows of the steps that urgent windows share with few others."""


def reserved(slots: int) -> int:
    """Returns how many slots are for urgent windows alone: at least one, where that leaves any."""
    return min(slots - 1, max(1, slots // RESERVED_SHARE))


class SlotsFull(Exception):
    """There are fewer free slots than requests: admit fewer, or step until some are done."""


class SlotAllocator:
    """The windows under way, by slot. A slot keeps its number while its row on the device may change."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.occupants: dict[int, Occupant] = {}
        self.limit = slots

    @property
    def free(self) -> int:
        return max(0, self.limit - len(self.occupants))

    def find(self, requests: Sequence[DecodeRequest]) -> list[Occupant]:
        """Returns occupants for the lowest free slots, without assigning them. Raises SlotsFull.

        Urgent ones get the lowest free rows. Where there are more than few windows others get higher ones, so that
        there is room for urgent ones among the lowest.
        """
        if len(requests) > self.free:
            raise SlotsFull(f"{len(requests)} requests for {self.free} free slots")
        taken = {occupant.row for occupant in self.occupants.values()}
        rows = [row for row in range(self.slots) if row not in taken]
        slots = iter(slot for slot in range(self.slots) if slot not in self.occupants)
        kept = reserved(self.slots) if len(self.occupants) + len(requests) > FEW_ROWS else 0
        found = {}
        for number, request in sorted(enumerate(requests), key=lambda entry: not entry[1].urgent):
            found[number] = next((row for row in rows if request.urgent or row >= kept), rows[0])
            rows.remove(found[number])
        return [
            Occupant(next(slots), found[number], request, request.start.sot_index)
            for number, request in enumerate(requests)
        ]

    def take(self, occupants: Sequence[Occupant]) -> list[int]:
        self.occupants |= {occupant.slot: occupant for occupant in occupants}
        return [occupant.slot for occupant in occupants]

    def holds(self, occupant: Occupant) -> bool:
        """Returns whether this window is still in its slot."""
        return self.occupants.get(occupant.slot) is occupant

    def beyond(self, rows: int) -> Iterator[tuple[Occupant, int]]:
        """Yields the windows beyond the first rows, each with a free row among those."""
        used = {occupant.row for occupant in self.occupants.values()}
        holes = iter(sorted(set(range(rows)) - used))
        for occupant in self.occupants.values():
            if occupant.row >= rows:
                yield occupant, next(holes)

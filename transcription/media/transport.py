"""Finds where the streams of sound of an MPEG transport stream (H.222.0) are replaced by others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

PACKET_SIZES = (188, 192, 204)
SYNC, STARTS_WITH_TABLE = 0x47, 2
PACKETS_AT_ONCE = 1 << 14
HEAD = 12
"""Of a program map: what stands before the descriptors of the program."""

SOUND = {0x03, 0x04, 0x06, 0x0F, 0x11, *range(0x80, 0x8B)}
"""Types of streams; 6 is private, as AC-3 and Opus are in Europe's."""


def replacements(file: IO[bytes]) -> Iterator[int]:
    """Yields where a program map is that lacks a stream of sound of the map before; nothing for other files."""
    head = file.read(5 * PACKET_SIZES[-1])
    layouts = ((size, at) for size in PACKET_SIZES for at in range(5) if set(head[at::size]) == {SYNC})
    size, at = next(layouts, (0, 0))
    known: dict[int, set[int]] = {}
    while size:
        file.seek(at)
        data = file.read(size * PACKETS_AT_ONCE)
        packets = np.frombuffer(data[: len(data) // size * size], np.uint8).reshape(-1, size)
        for number in np.flatnonzero(_is_map(packets)):
            program, streams = _sound(bytes(packets[number, 5:]))
            if not known.get(program, set()) <= streams:
                yield at + int(number) * size
            known[program] = streams
        if not len(packets):
            return
        at += len(packets) * size


def _is_map(packets: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """packets: [packets, bytes]. A map begins right behind a header of four bytes and an empty pointer."""
    begins = (packets[:, 0] == SYNC) & (packets[:, 1] & 0x40 > 0) & (packets[:, 3] & 0x30 == 0x10)
    return np.asarray(begins & (packets[:, 4] == 0) & (packets[:, 5] == STARTS_WITH_TABLE))


def _sound(section: bytes) -> tuple[int, set[int]]:
    """Returns a program's number and the identifiers of its streams of sound, of as much as is in the packet."""
    end = min(len(section) - 4, 3 + (int.from_bytes(section[1:3]) & 0xFFF) - 4)
    at, streams = HEAD + (int.from_bytes(section[10:12]) & 0xFFF), set()
    while at + 5 <= end:
        if section[at] in SOUND:
            streams.add(int.from_bytes(section[at + 1 : at + 3]) & 0x1FFF)
        at += 5 + (int.from_bytes(section[at + 3 : at + 5]) & 0xFFF)
    return int.from_bytes(section[3:5]), streams

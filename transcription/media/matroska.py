"""Parses the Matroska that ffmpeg streams to us, which has timestamps, unlike bare PCM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SEGMENT, CLUSTER, BLOCK_GROUP = 0x18538067, 0x1F43B675, 0xA0
TRACKS, TRACK, AUDIO = 0x1654AE6B, 0xAE, 0xE1
CHANNELS, TIMESTAMP, BLOCK, SIMPLE_BLOCK = 0x9F, 0xE7, 0xA1, 0xA3
CONTAINERS = {SEGMENT, CLUSTER, BLOCK_GROUP, TRACKS, TRACK, AUDIO}
BLOCK_HEAD_BYTES = 4


@dataclass(frozen=True)
class Block:
    """Interleaved s16le samples and their start in seconds."""

    seconds: float
    channels: int
    pcm: bytes


def read_blocks(chunks: Iterable[bytes]) -> Iterator[Block]:
    """Yields one track of s16le PCM with millisecond ticks, Matroska's default; ignores an incomplete last block."""
    source, channels, cluster = _Source(chunks), 1, 0
    try:
        while True:
            name, size = source.name(), source.size()
            if name in CONTAINERS:
                continue
            value = source.take(size)
            if name == CHANNELS:
                channels = int.from_bytes(value)
            elif name == TIMESTAMP:
                cluster = int.from_bytes(value)
            elif name in (SIMPLE_BLOCK, BLOCK):
                ticks = cluster + int.from_bytes(value[1:3], signed=True)
                yield Block(ticks / 1000, channels, value[BLOCK_HEAD_BYTES:])
    except EOFError:
        return


class _Source:
    """Reads EBML elements from chunks. Raises EOFError at the end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._buffer = bytearray()
        self._at = 0

    def name(self) -> int:
        first = self.take(1)
        return int.from_bytes(first + self.take(8 - first[0].bit_length()))

    def size(self) -> int:
        first = self.take(1)[0]
        length = 9 - first.bit_length()
        return int.from_bytes(bytes([first & (0xFF >> length)]) + self.take(length - 1))

    def take(self, count: int) -> bytes:
        while len(self._buffer) - self._at < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise EOFError
            del self._buffer[: self._at]
            self._at = 0
            self._buffer += chunk
        self._at += count
        return bytes(self._buffer[self._at - count : self._at])

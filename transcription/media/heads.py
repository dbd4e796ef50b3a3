"""Writes a right header for audio files whose own is wrong, so that ffmpeg reads all of them.

Programs that write to a pipe, or crash, leave lengths unknown; ffmpeg has an option for that in WAV alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from transcription.media.structure import MAX_CHUNKS, STRAY_BYTES, wave_chunks

LARGEST_HEAD = 1 << 20
MOST_PIECES = 16
"""ffmpeg opens each, and may have 32 files open."""

UNKNOWN_FROM = 0x7F000000
"""Lengths from here on are placeholders in AIFF, as sox writes them."""

W64_MARK = bytes.fromhex("726966662e91cf11a5d628db04c10000")
W64_CHUNK = 24
W64_FIRST = 40
AU_ENCODINGS = {(1, 16): 3, (1, 24): 4, (1, 32): 5, (3, 32): 6, (3, 64): 7}
"""Of AU, whose samples are big-endian, by the format and bits of WAV."""


@dataclass(frozen=True)
class Part:
    """What ffmpeg reads as one file: a header, then spans of a file's bytes, from and to; to 0 is to its end."""

    spans: tuple[tuple[int, int], ...] = ((0, 0),)
    head: bytes = b""


WHOLE = Part()


def mended(file: IO[bytes], size: int) -> Part | None:
    """Returns a file with a right header, None if its own will do."""
    start = file.read(16)
    file.seek(0)
    if start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(file, size)
    if start[:4] == b".snd":
        return _au(file, size)
    if start == W64_MARK:
        return _w64(file, size)
    if start[:4] == b"RIFX":
        return _big_endian_wave(file, size)
    return _wave_in_pieces(file, size) if start[:4] == b"RIFF" else None


def _aiff(file: IO[bytes], size: int) -> Part | None:
    chunks = {name: (at, length) for name, at, length in _iff_chunks(file, size)}
    if b"COMM" not in chunks or b"SSND" not in chunks or chunks[b"SSND"][0] > LARGEST_HEAD:
        return None
    (start, length), at = chunks[b"SSND"], chunks[b"COMM"][0]
    rest = size - start
    if rest <= 8 or not (length <= 8 or length >= max(UNKNOWN_FROM, rest) or _goes_on(file, start + length, size)):
        return None
    file.seek(0)
    head = bytearray(file.read(start))
    channels, _frames, bits = struct.unpack_from(">HIH", head, at)
    frames = (rest - 8) // max(1, channels * -(-bits // 8))
    for place, number in ((4, size - 8), (at + 2, frames), (start - 4, rest)):
        struct.pack_into(">I", head, place, min(number, 0xFFFFFFFF))
    return Part(((start, 0),), bytes(head))


def _iff_chunks(file: IO[bytes], size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields name, offset and length of chunks up to the sound."""
    at, name = 12, b""
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        if name == b"SSND" or at >= size or len(found := file.read(8)) < 8:
            return
        name, length = found[:4], int.from_bytes(found[4:])
        yield name, at + 8, length
        at += 8 + length + length % 2


def _goes_on(file: IO[bytes], end: int, size: int) -> bool:
    """Returns whether what follows the sound is no chunk, so that it is sound."""
    file.seek(end + end % 2)
    name, length = file.read(4), int.from_bytes(file.read(4))
    is_chunk = name.isascii() and name.decode("ascii").isprintable() and end + length <= size
    return size - end >= STRAY_BYTES and not is_chunk


def _au(file: IO[bytes], size: int) -> Part | None:
    head = bytearray(file.read(24))
    if len(head) < 24:
        return None
    start, length = struct.unpack_from(">II", head, 4)
    is_known = length > 0 and start + length + STRAY_BYTES > size
    if is_known or start < len(head) or start >= min(size, LARGEST_HEAD):
        return None
    struct.pack_into(">I", head, 8, 0xFFFFFFFF)
    return Part(((24, 0),), bytes(head))


def _w64(file: IO[bytes], size: int) -> Part | None:
    at = W64_FIRST
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        chunk = file.read(W64_CHUNK)
        length = int.from_bytes(chunk[16:], "little")
        if chunk[:4] == b"data" and at <= LARGEST_HEAD:
            start = at + W64_CHUNK
            if start >= size or W64_CHUNK < length < 1 << 62:
                return None
            file.seek(0)
            head = bytearray(file.read(start))
            struct.pack_into("<Q", head, 16, size)
            struct.pack_into("<Q", head, start - 8, size - at)
            return Part(((start, 0),), bytes(head))
        if len(chunk) < W64_CHUNK or length < W64_CHUNK:
            return None
        at += -(-length // 8) * 8
    return None


def _big_endian_wave(file: IO[bytes], size: int) -> Part | None:
    """Returns an AU file: ffmpeg takes the samples of RIFX for little-endian ones."""
    form = b""
    for name, start, length in wave_chunks(file, size):
        if name == b"fmt ":
            file.seek(start)
            form = file.read(16)
        elif name == b"data" and len(form) == 16:
            kind, channels, rate, _bytes, _block, bits = struct.unpack(">HHIIHH", form)
            if (kind, bits) not in AU_ENCODINGS:
                return None
            end = start + length if 0 < length <= size - start else 0
            head = b".snd" + struct.pack(">IIIIII", 28, 0xFFFFFFFF, AU_ENCODINGS[kind, bits], rate, channels, 0)
            return Part(((start, end),), head)
    return None


def _wave_in_pieces(file: IO[bytes], size: int) -> Part | None:
    """Returns a WAV file with one chunk of sound in place of several."""
    chunks = list(wave_chunks(file, size))
    spans = tuple((start, start + length) for name, start, length in chunks if name == b"data" and length)
    names = {name for name, _start, _length in chunks}
    if not 1 < len(spans) <= MOST_PIECES or b"RIFF" in names or spans[0][0] > LARGEST_HEAD or spans[-1][1] > size:
        return None
    file.seek(0)
    length = min(sum(end - start for start, end in spans), 0xFFFFFFFF)
    return Part(spans, file.read(spans[0][0] - 4) + length.to_bytes(4, "little"))

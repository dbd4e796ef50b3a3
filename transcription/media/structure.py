"""Finds truncated files and wrong lengths that ffmpeg doesn't report, by the sizes of RIFF chunks and Ogg pages."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO

UNKNOWN_SIZES = (0, 0x7FFF0000)
"""Sizes up to and from these are placeholders of recorders that can't rewrite their header."""

MAX_CHUNKS = 1000
STRAY_BYTES = 4096
LONGEST_PAGE = 65_307
PAGE_HEAD = 27

ADTS_HEAD = 7
ADTS_SAMPLES = 1024
ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
TAGS = (b"ID3", b"TAG", b"APE")
MOST_STEPS = 5_000_000


def is_cut_off(path: Path, container: str) -> bool:
    """Returns whether a RIFF chunk or the last Ogg page extends beyond the end of the file."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if container in ("wav", "avi"):
            return _riff_is_cut_off(file, path.stat().st_size)
        return container == "ogg" and _ogg_is_cut_off(file, path.stat().st_size)


def has_stale_wav_length(path: Path) -> bool:
    """Returns whether a WAV file's audio continues after the length in its header, as after a recorder's crash."""
    if not path.is_file():
        return False
    size, end = path.stat().st_size, 0
    with path.open("rb") as file:
        is_plain = file.read(4) == b"RIFF"
        file.seek(0)
        for name, start, length in wave_chunks(file, size):
            if name == b"data" and length == 0 and is_plain:  # then ffmpeg reads to the end of the file
                return False
            if end and not (name.isascii() and name.decode("ascii").isprintable() and start + length <= size + 1):
                return size - end >= STRAY_BYTES
            if end or name == b"data":
                end = start + length + length % 2
    return False


def wave_chunks(file: IO[bytes], size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields name, offset and length of the chunks of a WAVE file; nothing for other files."""
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64", b"BW64") or head[8:] != b"WAVE":
        return
    order, at, large = ">I" if head[:4] == b"RIFX" else "<I", 12, 0
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        if at >= size or len(found := file.read(8)) < 8:
            return
        length = struct.unpack(order, found[4:])[0]
        if found[:4] == b"ds64":
            large = int.from_bytes(file.read(16)[8:], "little")
        elif found == b"data\xff\xff\xff\xff" and head[:4] in (b"RF64", b"BW64"):
            length = large
        yield found[:4], at + 8, length
        at += 8 + length + length % 2


def _riff_is_cut_off(file: IO[bytes], size: int) -> bool:
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF":
        return False
    file.seek(0)
    sound = (start + length for name, start, length in wave_chunks(file, size) if name == b"data")
    ends = [8 + struct.unpack("<I", head[4:8])[0], *islice(sound, 1)]
    return any(UNKNOWN_SIZES[0] < end - 8 < UNKNOWN_SIZES[1] and end > size + 1 for end in ends)


def _ogg_is_cut_off(file: IO[bytes], size: int) -> bool:
    file.seek(max(0, size - LONGEST_PAGE - PAGE_HEAD))
    rest = file.read()
    at = rest.rfind(b"OggS")
    if at < 0:
        return False
    page = rest[at:]
    if len(page) < PAGE_HEAD or len(page) < PAGE_HEAD + page[26]:
        return True
    return PAGE_HEAD + page[26] + sum(page[PAGE_HEAD : PAGE_HEAD + page[26]]) > len(page)


def aac_frames(path: Path, enough: float = math.inf) -> tuple[float, bool]:
    """Returns the length in seconds of the frames of an AAC file (ADTS), and whether something lies between them.

    It stops beyond `enough` seconds.
    """
    seconds, at, end, is_torn = 0.0, 0, 0, False
    if not path.is_file() or not path.stat().st_size:
        return seconds, is_torn
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        for _ in range(MOST_STEPS):
            head = data[at : at + ADTS_HEAD]
            if at < 0 or len(head) < ADTS_HEAD or seconds > enough:
                break
            length, rate = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5, head[2] >> 2 & 15
            if head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and length >= ADTS_HEAD and rate < len(ADTS_RATES):
                is_torn = is_torn or (0 < end < at and not data[end : end + 3].startswith(TAGS))
                seconds += ADTS_SAMPLES * ((head[6] & 3) + 1) / ADTS_RATES[rate]
                at = end = at + length
            else:
                at = data.find(b"\xff", at + 1)
    return seconds, is_torn

"""Finds media behind other bytes, and files that were joined of which ffmpeg would hear only the first.

ffmpeg goes on by itself in formats without a header, and where an Ogg stream is followed by one of the same form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

from transcription.media.heads import WHOLE, Part, mended
from transcription.media.structure import PAGE_HEAD, wave_chunks
from transcription.media.transport import replacements

FIRST_BYTES = 1 << 20
SIGNATURE = re.compile(
    rb"RIF[FX].{4}(?:WAVE|AVI )|RF64.{4}WAVE|FORM.{4}AIF[FC]|OggS\x00\x02|fLaC\x00|\x1a\x45\xdf\xa3|\x00{3}.ftyp"
    rb"|FLV\x01|caff\x00\x01|\.snd\x00\x00|#!AMR|wvpk.{5}\x04|TTA1\x01\x00|riff\x2e\x91\xcf\x11|\x30\x26\xb2\x75\x8e\x66\xcf\x11"
    rb"|(?:\x47.{187}){8}",
    re.DOTALL,
)
FORM_BYTES = 16
"""The beginning of an Ogg stream's header: codec, channels and rate."""

EMPTY_BOX = 8
MOST_PARTS = 100
"""Each costs a process. What follows them is left unread."""

MOST_STEPS = 1_000_000
"""How many boxes or pages are looked at."""

MARKS = {
    b"fLaC": (0, 8),
    b"TTA1": (0, 6),
    b"caff": (0, 12),
    b"FORM": (8, 16),
    b"riff": (0, 16),
    b"FLV\1": (0, 9),
    b"#!AM": (0, 6),
    b"\x30\x26\xb2\x75": (0, 16),
}
"""What begins a file that begins so, and only a file: from where to where. AIFF has its length before it."""

WAVPACK_HEAD = 28
WAVPACK_INITIAL = 0x800


OTHER = re.compile(rb"[\t\n\r -~]{32}|\x00{32}")
"""Text or nothing: where a signature follows, it is what counts, and not what ffmpeg takes the beginning for."""

TAG_BYTES = 10
SKIPPED_TAG = 1 << 19
"""Larger ID3 tags hide from ffmpeg what follows."""


def behind_other_bytes(path: Path) -> Part:
    """Returns the part of a file that has a signature, as behind a header of HTTP; WHOLE if there is none."""
    if not path.is_file():
        return WHOLE
    with path.open("rb") as file:
        found = SIGNATURE.search(file.read(FIRST_BYTES))
    return Part(spans=((found.start(), 0),)) if found else WHOLE


def _behind_large_tag(file: IO[bytes]) -> int:
    """Returns where a file with a signature begins behind a large ID3 tag; 0 if none does."""
    file.seek(0)
    tag = file.read(TAG_BYTES)
    end = TAG_BYTES + sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(tag[6:]))
    file.seek(end)
    return end if tag[:3] == b"ID3" and end > SKIPPED_TAG and SIGNATURE.match(file.read(FIRST_BYTES)) else 0


def joined_parts(path: Path) -> list[Part]:
    """Returns the parts of a file that ffmpeg has to read one by one, and one more where there are too many."""
    if not path.is_file():
        return [WHOLE]
    with path.open("rb") as file:
        if part := mended(file, path.stat().st_size):
            return [part]
        file.seek(0)
        if OTHER.match(file.read(32)):
            return [behind_other_bytes(path)]
        if start := _behind_large_tag(file):
            return [Part(spans=((start, 0),))]
        file.seek(0)
        starts = sorted({0, *islice(_starts(file, path.stat().st_size), MOST_PARTS + 1)})[: MOST_PARTS + 1]
    return [Part(spans=(span,)) for span in zip(starts, [*starts[1:], 0], strict=True)]


def _starts(file: IO[bytes], size: int) -> Iterator[int]:
    head = file.read(12)
    file.seek(0)
    if head[:4] == b"RIFF":
        yield from (start - 8 for name, start, _length in wave_chunks(file, size) if name == b"RIFF")
    elif head[:4] == b"OggS":
        yield from _changes_of_ogg_streams(file)
    elif head[4:8] == b"ftyp":
        yield from _movies(file, size)
    elif head[:4] == b"wvpk":
        yield from _wavpacks(file)
    elif head[:4] in MARKS:
        yield from _repetitions(file, *MARKS[head[:4]])
    else:
        yield from replacements(file)


def _repetitions(file: IO[bytes], begin: int, end: int) -> Iterator[int]:
    """Yields where the bytes from `begin` to `end` come again, less `begin`."""
    at, data = 0, file.read(FIRST_BYTES)
    mark = data[begin:end]
    while len(data) >= len(mark):
        yield from (at + found.start() - begin for found in re.finditer(re.escape(mark), data))
        at += len(data) - len(mark) + 1
        file.seek(at)
        data = file.read(FIRST_BYTES)


def _wavpacks(file: IO[bytes]) -> Iterator[int]:
    """Yields where blocks begin that count samples from 0 again."""
    at, searches = 0, 0
    for _ in range(MOST_STEPS):
        head = file.read(WAVPACK_HEAD)
        if len(head) < WAVPACK_HEAD or searches > MOST_PARTS:
            return
        if head[:4] == b"wvpk":
            length, first, count, flags = (int.from_bytes(head[i : i + 4], "little") for i in (4, 16, 20, 24))
            if first == 0 and count and flags & WAVPACK_INITIAL:
                yield at
            at += 8 + length
        else:  # tags
            searches += 1
            file.seek(at)
            found = file.read(FIRST_BYTES).find(b"wvpk")
            if found < 1:
                return
            at += found
        file.seek(at)


def _movies(file: IO[bytes], size: int) -> Iterator[int]:
    """Yields where MP4 files with an index or sound begin."""
    at, start, is_told = 0, 0, False
    for _ in range(MOST_STEPS):
        if at >= size:
            return
        file.seek(at)
        head = file.read(16)
        length, name = int.from_bytes(head[:4]), head[4:8]
        if name == b"ftyp":
            start = at
            is_told = False
        elif name in (b"moov", b"mdat") and length != EMPTY_BOX and not is_told:
            is_told = True
            yield start
        if length < 8:
            length = int.from_bytes(head[8:]) if length == 1 else size - at
        at += max(8, length)


def _changes_of_ogg_streams(file: IO[bytes]) -> Iterator[int]:
    """Yields where streams begin that have another codec, rate or number of channels than those before."""
    at, form, is_new = 0, b"", True
    for _ in range(MOST_STEPS):
        page = file.read(PAGE_HEAD)
        if not page.startswith(b"OggS") or len(page) < PAGE_HEAD:
            return
        lengths = file.read(page[26])
        begins = bool(page[5] & 2)
        if begins and is_new and (found := file.read(FORM_BYTES)) != form:
            form = found
            yield at
        is_new = not begins  # streams that begin together are one file
        at += PAGE_HEAD + len(lengths) + sum(lengths)
        file.seek(at)

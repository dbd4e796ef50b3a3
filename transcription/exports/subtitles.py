"""Writes subtitles as SubRip and WebVTT."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from transcription.exports.cues import Cue, split_into_cues
from transcription.exports.layout import Layout
from transcription.exports.speakers import UNNAMED, Names, prefixes_of
from transcription.models import Segment

WEBVTT_HEAD = "WEBVTT\n\n"


def subrip(
    segments: Iterable[Segment],
    layout: Layout | None = None,
    first: int = 1,
    names: Names = UNNAMED,
    beside: Sequence[str] = (),
) -> str:
    """Returns SubRip with cues numbered from `first`, and with a speaker's name where the speaker changes.

    beside: another text, by segments, which stands below.
    """
    return subrip_of(split_into_cues(segments, layout, prefixes_of(names), beside), first)


def subrip_of(cues: Iterable[Cue], first: int = 1) -> str:
    """Returns SubRip with cues numbered from `first`."""
    return "".join(
        f"{number}\n{clock(cue.start, ',')} --> {clock(cue.end, ',')}\n{_block(cue.lines + cue.beside)}\n\n"
        for number, cue in enumerate(cues, start=first)
    )


def webvtt(
    segments: Iterable[Segment], layout: Layout | None = None, names: Names = UNNAMED, beside: Sequence[str] = ()
) -> str:
    """Returns WebVTT (W3C) with `&`, `<` and `>` escaped, and a voice span in the cues of known speakers.

    beside: another text, by segments, which stands below.
    """
    voices = {speaker: f"<v {escape(name, quote=False)}>" for speaker, name in names.items()}
    cues = (
        f"{clock(cue.start, '.')} --> {clock(cue.end, '.')}\n"
        f"{voices.get(cue.speaker, '')}{escape(_block(cue.lines + cue.beside), quote=False)}\n\n"
        for cue in split_into_cues(segments, layout, beside=beside)
    )
    return WEBVTT_HEAD + "".join(cues)


def clock(seconds: float, separator: str) -> str:
    """Formats seconds as `01:02:03.456`, with `separator` before the milliseconds."""
    milliseconds = round(max(0.0, seconds) * 1000)
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{separator}{rest:03d}"


def _block(lines: Iterable[str]) -> str:
    """Joins lines, with arrows shortened that would start another cue."""
    return "\n".join(re.sub(r"-{2,}>", "->", line) for line in lines)

"""Writes cues as Advanced SubStation Alpha, which ffmpeg burns into a picture."""

from __future__ import annotations

from collections.abc import Iterable

from transcription.exports.cues import Cue

HEIGHT = 1080
WIDEST = 0.05  # of the picture's width that a letter is high, at most
FULL = 1.4  # of the same: so many of its columns fill a line, with a margin
OF_THE_FONT = 0.86  # a letter's size is that much of what the format calls a font's: from its top to its bottom
HEAD = """\
[Script Info]
ScriptType: v4.00+
PlayResX: {width}
PlayResY: {height}
WrapStyle: 0
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,sans-serif,{size},&H00FFFFFF,&H00FFFFFF,&H48000000,&H48000000,0,0,0,0,100,100,0,0,3,{border},0,2,\
{margin},{margin},{bottom},1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
BESIDE = r"{\c&HA8E9FF&}"
"""The colour of a text beside."""


def script(cues: Iterable[Cue], picture: tuple[int, int], columns: int) -> str:
    """Returns the script for a picture of this width and height, with letters as large as `columns` of a line allow."""
    width = round(HEIGHT * picture[0] / picture[1])
    size = width * min(WIDEST, FULL / columns) / OF_THE_FONT
    numbers = {"size": round(size), "border": round(size / 9), "margin": width // 40, "bottom": HEIGHT // 18}
    events = (f"Dialogue: 0,{_clock(cue.start)},{_clock(cue.end)},Default,,0,0,0,,{_text(cue)}\n" for cue in cues)
    return HEAD.format(width=width, height=HEIGHT, **numbers) + "".join(events)


def _text(cue: Cue) -> str:
    lines = [_plain(line) for line in cue.lines] + [f"{BESIDE}{_plain(line)}" for line in cue.beside]
    return r"\N".join(lines)


def _plain(text: str) -> str:
    """Returns a line in which nothing is a command: a word joiner keeps a backslash from what follows it."""
    return " ".join(text.split()).replace("\\", "\\\u2060").replace("{", "\\{").replace("}", "\\}")


def _clock(seconds: float) -> str:
    hundredths = round(max(0.0, seconds) * 100)
    whole, rest = divmod(hundredths, 100)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}.{rest:02d}"

"""How subtitles are laid out: columns a line, lines a cue."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from transcription.errors import InvalidOption

LINE_LENGTHS = range(10, 201)
LINES = range(1, 11)


@dataclass(frozen=True)
class Layout:
    """`max_line_length` counts columns: a full-width character, such as a Chinese one, takes two."""

    max_line_length: int = 42
    max_lines: int = 2

    @classmethod
    def checked(cls, max_line_length: str | None, max_lines: str | None) -> Layout | None:
        """As query parameters have it; None where neither is given. Raises InvalidOption."""
        if not max_line_length and not max_lines:
            return None
        return cls(
            _whole("max_line_length", max_line_length, LINE_LENGTHS) or cls.max_line_length,
            _whole("max_lines", max_lines, LINES) or cls.max_lines,
        )


def _whole(name: str, text: str | None, among: range) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) in among):
        message = _("“%(name)s” must be a whole number from %(least)d to %(most)d.")
        raise InvalidOption(name, message % {"name": name, "least": among[0], "most": among[-1]})
    return int(text)

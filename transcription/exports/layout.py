"""The layout of subtitles: columns in a line and lines in a cue."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from transcription.errors import InvalidOption

LINE_LENGTHS = range(10, 201)
LINES = range(1, 11)


@dataclass(frozen=True)
class Layout:
    """The limits of a cue. `max_line_length` counts columns: a full-width character, such as a Chinese one, has two."""

    max_line_length: int = 42
    max_lines: int = 2

    @classmethod
    def checked(cls, max_line_length: str | None, max_lines: str | None) -> Layout | None:
        """Parses query parameters; returns None if both are empty. Raises InvalidOption."""
        if not max_line_length and not max_lines:
            return None
        return cls(
            _integer("max_line_length", max_line_length, LINE_LENGTHS) or cls.max_line_length,
            _integer("max_lines", max_lines, LINES) or cls.max_lines,
        )


def _integer(name: str, text: str | None, allowed: range) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) in allowed):
        message = _("“%(name)s” must be a whole number from %(least)d to %(most)d.")
        raise InvalidOption(name, message % {"name": name, "least": allowed[0], "most": allowed[-1]})
    return int(text)

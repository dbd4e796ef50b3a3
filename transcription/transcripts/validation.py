"""What people may make of a transcript: each value is checked here before it comes near the database."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from transcription.errors import InvalidOption
from transcription.scripts import one_line
from transcription.transcripts.segment_edits import Wanted

LONGEST_TEXT = 5000
MOST_SEGMENTS = 20_000


def checked_text(value: Any, param: str = "text") -> str:
    """Text on one line. Raises InvalidOption."""
    if not isinstance(value, str):
        raise InvalidOption(param, _("“%(name)s” must be a string.") % {"name": param})
    text = one_line(value) if len(value) <= 4 * LONGEST_TEXT else value
    if not text:
        raise InvalidOption(param, _("A segment has text. Delete the segment instead."))
    if len(text) > LONGEST_TEXT:
        raise InvalidOption(param, _("A segment has at most %(n)d characters. Split it.") % {"n": LONGEST_TEXT})
    return text


def checked_time(value: Any, param: str) -> float:
    """Seconds to the millisecond. Raises InvalidOption."""
    if type(value) not in (int, float) or not 0 <= value < 1e7 or not math.isfinite(value):
        raise InvalidOption(param, _("“%(name)s” must be a number of seconds.") % {"name": param})
    return round(float(value), 3)


def checked_times(wanted: Sequence[Wanted], latest: float) -> None:
    """Checks that segments are in order, that each ends after it starts, and none after `latest` seconds.

    Raises InvalidOption.
    """
    before = 0.0
    for one in wanted:
        if one.start >= one.end:
            message = _("A segment that starts at %(start).3f s ends after that, not at %(end).3f s.")
            raise InvalidOption("end", message % {"start": one.start, "end": one.end})
        if one.start < before:
            message = _(
                "The segment at %(start).3f s starts before the one in front of it, which starts at %(before).3f s."
            )
            raise InvalidOption("start", message % {"start": one.start, "before": before})
        before = one.start
        if one.end > latest:
            message = _("A segment ends at %(end).3f s, but the recording at %(latest).3f s.")
            raise InvalidOption("end", message % {"end": one.end, "latest": latest})


def too_many(param: str) -> InvalidOption:
    return InvalidOption(param, _("A transcript has at most %(n)d segments.") % {"n": MOST_SEGMENTS})

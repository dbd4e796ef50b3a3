"""Validates corrections of transcripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _

from transcription.errors import InvalidOption
from transcription.models import Transcription
from transcription.scripts import one_line
from transcription.transcripts.segment_edits import SegmentEdit

LONGEST_TEXT = 5000
MAX_SEGMENTS = 50_000


class NoSuchPart(Http404):
    """A transcript that is there has no such segment, speaker or revision; the message says which there are."""


def no_such_segment(row: Transcription) -> NoSuchPart:
    number = row.segments.count()
    if not number:
        return NoSuchPart(_("There is no such segment: this transcript has none."))
    message = _("There is no such segment: they are numbered from 0 to %(last)d, and of several the first comes first.")
    return NoSuchPart(message % {"last": number - 1})


def checked_text(value: Any, param: str = "text") -> str:
    """Returns the text on one line. Raises InvalidOption."""
    if not isinstance(value, str):
        raise InvalidOption(param, _("“%(name)s” must be a string.") % {"name": param})
    text = one_line(value) if len(value) <= 4 * LONGEST_TEXT else value
    if not text:
        raise InvalidOption(param, _("A segment must have text. Delete the segment instead."))
    if len(text) > LONGEST_TEXT:
        raise InvalidOption(param, _("A segment can have at most %(n)d characters. Split it.") % {"n": LONGEST_TEXT})
    return text


def checked_time(value: Any, param: str) -> float:
    """Returns seconds, rounded to milliseconds. Raises InvalidOption."""
    if type(value) not in (int, float) or not 0 <= value < 1e7 or not math.isfinite(value):
        raise InvalidOption(param, _("“%(name)s” must be a number of seconds.") % {"name": param})
    return round(float(value), 3)


def checked_shift(value: Any, param: str = "seconds") -> float:
    """Returns seconds, forwards or backwards, rounded to milliseconds. Raises InvalidOption."""
    if type(value) not in (int, float) or not -1e7 < value < 1e7:
        raise InvalidOption(param, _("“%(name)s” must be a number of seconds.") % {"name": param})
    return round(float(value), 3)


def checked_times(segments: Sequence[SegmentEdit], latest: float) -> None:
    """Raises InvalidOption unless segments are ordered, end after they start, and end by `latest` seconds."""
    before = 0.0
    for segment in segments:
        if segment.start >= segment.end:
            message = _("A segment that starts at %(start).3f s must end after that, not at %(end).3f s.")
            raise InvalidOption("end", message % {"start": segment.start, "end": segment.end})
        if segment.start < before:
            message = _("The segment at %(start).3f s starts before the previous one, which starts at %(before).3f s.")
            raise InvalidOption("start", message % {"start": segment.start, "before": before})
        before = segment.start
        if segment.end > latest:
            message = _("A segment ends at %(end).3f s, but the recording ends at %(latest).3f s.")
            raise InvalidOption("end", message % {"end": segment.end, "latest": latest})


def too_many(param: str) -> InvalidOption:
    return InvalidOption(param, _("A transcript can have at most %(n)d segments.") % {"n": MAX_SEGMENTS})

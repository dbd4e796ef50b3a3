"""Limits segments' times: in order, within the recording, and with a minimum length."""

from __future__ import annotations

import math
from collections.abc import Iterable

from transcription.models import Segment
from transcription.segments.word_times import in_order

MILLISECONDS = 1000
SHORTEST = 20  # milliseconds: one of Whisper's timestamps


def clamp_segments(segments: Iterable[Segment], earliest: float, latest: float) -> None:
    """Clamps the times of segments and their words to the recording, in place.

    earliest: seconds before which none starts. latest: seconds after which none ends, more than SHORTEST later.
    """
    for segment in segments:
        segment.start, segment.end = clamped_times(segment.start, segment.end, earliest, latest)
        segment.words = list(in_order(segment.words, segment.start, segment.end))
        earliest = segment.start


def clamped_times(start: float, end: float, earliest: float, latest: float) -> tuple[float, float]:
    """Returns the nearest allowed times of a segment, rounded to milliseconds and at least SHORTEST apart.

    NaN, which a model may return, counts as `earliest`.
    """
    last = math.floor(latest * MILLISECONDS + 1e-6)
    first = max(0, round(earliest * MILLISECONDS))
    begin = round(min(last - SHORTEST, max(first, start * MILLISECONDS)))
    finish = round(min(last, max(begin + SHORTEST, end * MILLISECONDS)))
    return begin / MILLISECONDS, finish / MILLISECONDS

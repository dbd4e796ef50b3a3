"""The names of speakers in files."""

from __future__ import annotations

from collections.abc import Mapping

from transcription.models import Segment, Transcription
from transcription.options.speakers import OFF

Names = Mapping[int | None, str]
"""Names of speakers by their index."""

UNNAMED: Names = {}


def names_of(transcription: Transcription) -> dict[int | None, str]:
    """Returns the names of a transcription's speakers, “Speaker 1” and so on where they have none.

    Empty where speakers were not told apart.
    """
    if transcription.speakers == OFF:
        return {}
    return {speaker.index: speaker.label for speaker in transcription.speaker_set.all()}


def name_of(segment: Segment, names: Names) -> str:
    """Returns the name of a segment's speaker; empty if unknown."""
    return names.get(segment.speaker, "")


def prefixes_of(names: Names) -> dict[int | None, str]:
    """Returns what stands before the first words of each speaker."""
    return {speaker: f"{name}: " for speaker, name in names.items()}


def prefix_of(segment: Segment, names: Names) -> str:
    name = name_of(segment, names)
    return f"{name}: " if name else ""

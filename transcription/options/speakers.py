"""How many speakers a caller expects: `off`, `auto`, a number, or a range such as `2-4`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

from transcription.diarization.types import MOST_SPEAKERS
from transcription.errors import InvalidOption


@dataclass(frozen=True)
class KnownVoice:
    """The name of a speaker, and a few seconds of the voice: mono s16le at 16 kHz."""

    name: str
    pcm: bytes

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from another one: the name and the voice's SHA-256."""
        return self.name, hashlib.sha256(self.pcm).hexdigest()


OFF, AUTO = "off", "auto"
SPEAKERS = re.compile(r"(\d{1,3})(?:\s*[-–]\s*(\d{1,3}))?", re.ASCII)


def checked_speakers(value: str | int) -> str:
    """Returns the option as it is stored; empty for an empty text. Raises InvalidOption."""
    text = str(value).strip().lower()
    if text in ("", OFF, AUTO):
        return text
    match = SPEAKERS.fullmatch(text)
    least, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= least <= most <= MOST_SPEAKERS:
        message = _("Speakers must be off, auto, a number from 1 to %(n)d, or a range of such numbers, as in 2-4.")
        raise InvalidOption("speakers", message % {"n": MOST_SPEAKERS})
    return str(least) if least == most else f"{least}-{most}"


def speaker_range(speakers: str) -> tuple[int, int] | None:
    """Returns the least and the greatest number of speakers to find; None where they are not told apart."""
    if speakers in ("", OFF):
        return None
    if speakers == AUTO:
        return 1, MOST_SPEAKERS
    least, _dash, most = speakers.partition("-")
    return int(least), int(most or least)

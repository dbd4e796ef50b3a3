"""What is struck out of a recording: seconds whose words and sound are kept from whatever goes out.

The seconds stand with the recording (`Recording.struck`), and not with words: a text that is corrected, divided, heard
again or made anew stays struck where its sound is. `texts` replaces the words, `sound` the sound; `copies` keeps a copy
of the sound that is silent there. Who struck what stands in the transcript's revisions and in the audit log.
"""

from transcription.strikes.following import followed
from transcription.strikes.places import places_of, seconds_of
from transcription.strikes.spans import overlaps, united, without
from transcription.strikes.texts import MASK, masked_text, redacted, redacted_segments, redacted_text, spans_of

__all__ = [
    "MASK",
    "followed",
    "masked_text",
    "overlaps",
    "places_of",
    "redacted",
    "redacted_segments",
    "redacted_text",
    "seconds_of",
    "spans_of",
    "united",
    "without",
]

"""The lines of a text as the page of a link shows them."""

from __future__ import annotations

from portal.shared.access import Visit
from portal.web.transcript_lines import Line
from transcription.shares import corrections, guests
from transcription.shares.text import SharedText


def lines_of(visit: Visit, shared: SharedText) -> list[Line]:
    """Returns the lines without what speaks against them, which is for those who correct; tagged for whoever may."""
    found, before = list[Line](), None
    may_correct = guests.CORRECT in visit.permissions
    for index, segment in enumerate(shared.segments):
        starts_turn = not found or segment.speaker != before
        speaker = shared.speakers.get(segment.speaker)
        tag = corrections.tag_of(visit.share, shared, index) if may_correct else ""
        found.append(Line(segment.start, segment.end, segment, speaker=speaker, starts_turn=starts_turn, tag=tag))
        before = segment.speaker
    return found

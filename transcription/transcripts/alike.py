"""A correction of some words, made everywhere else in the transcript where the same words stand."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from tenants.access import Actor
from transcription.models import Revision, Segment, Transcription
from transcription.scripts import is_unspaced, line_break_units
from transcription.transcripts import checks
from transcription.transcripts.revisions import compare_tags, list_tag, locked, write_revision
from transcription.transcripts.segment_edits import SegmentEdit, apply_edits, field_values
from transcription.transcripts.validation import checked_text

MOST_WORDS = 6


@dataclass(frozen=True)
class Fix:
    """Words that stand for other words: whole words, as they are written."""

    wrong: str
    right: str

    @property
    def pattern(self) -> re.Pattern[str]:
        head = "" if is_unspaced(self.wrong[0]) or not _is_letter(self.wrong[0]) else r"(?<!\w)"
        tail = "" if is_unspaced(self.wrong[-1]) or not _is_letter(self.wrong[-1]) else r"(?!\w)"
        return re.compile(f"{head}{re.escape(self.wrong)}{tail}")

    def applied(self, text: str) -> str:
        return self.pattern.sub(lambda _: self.right, text)


@dataclass(frozen=True)
class Alike:
    """A segment with the words of a fix, and its text once they are fixed."""

    segment: Segment
    after: str


def fix_of(before: str, after: str) -> Fix | None:
    """Returns the one place in which two texts differ, in whole words; None where there are several, or many words."""
    former, latter = line_break_units(before.strip()), line_break_units(after.strip())
    head = _alike(former, latter)
    tail = _alike(former[head:][::-1], latter[head:][::-1])
    wrong = "".join(former[head : len(former) - tail]).strip()
    right = "".join(latter[head : len(latter) - tail]).strip()
    if not wrong or not right or max(len(former), len(latter)) - head - tail > MOST_WORDS:
        return None
    while wrong and right and wrong[-1] == right[-1] and not _is_letter(wrong[-1]):
        wrong, right = wrong[:-1], right[:-1]
    while wrong and right and wrong[0] == right[0] and not _is_letter(wrong[0]):
        wrong, right = wrong[1:], right[1:]
    return Fix(wrong, right) if wrong and right and wrong != right else None


def found(fix: Fix, segments: Iterable[Segment]) -> list[Alike]:
    """Returns the segments with the words that a fix would change."""
    pattern = fix.pattern
    return [Alike(segment, fix.applied(segment.text.strip())) for segment in segments if pattern.search(segment.text)]


def fix_all(actor: Actor, transcription_id: UUID, fix: Fix, expected_tags: Collection[str]) -> Transcription:
    """Makes a fix everywhere, as one revision. A segment that was checked stays so; no other is by this.

    `expected_tags` are tags of the list. Raises Http404, Stale, InvalidOption, NotCompleted and TextDeleted.
    """
    with locked(actor, transcription_id) as row:
        compare_tags(expected_tags, list_tag(row))
        former = list(row.segments.all())
        after = {alike.segment.pk: checked_text(alike.after, "right") for alike in found(fix, former)}
        edits = [SegmentEdit(one.start, one.end, after.get(one.pk, one.text.strip())) for one in former]
        replacement = apply_edits([field_values(segment) for segment in former], edits)
        for segment, fields in zip(former, replacement, strict=True):
            if segment.pk in after and checks.is_whole(segment):
                fields["checks"] = [[0, len(after[segment.pk]), *segment.checks[0][2:]]]
        write_revision(actor, row, Revision.Action.REPLACE, 0, former, replacement)
        return row


def checked_fix(wrong: object, right: object) -> Fix:
    """Raises InvalidOption."""
    return Fix(checked_text(wrong, "wrong"), checked_text(right, "right"))


def _alike(former: list[str], latter: list[str]) -> int:
    """Returns how many words are equal at the beginning."""
    pairs = zip(former, latter, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a.strip() != b.strip()), min(len(former), len(latter)))


def _is_letter(character: str) -> bool:
    return character.isalnum() or character == "_"

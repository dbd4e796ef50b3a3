"""Finds and replaces text in a transcript; all that is replaced at once is one revision."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from django.utils.translation import gettext as _

from tenants.access import Actor
from transcription.errors import InvalidOption
from transcription.models import Revision, Segment, Transcription
from transcription.scripts import is_grapheme_boundary, is_unspaced, one_line
from transcription.strikes import redacted_segments, spans_of
from transcription.strikes.spans import Span
from transcription.transcripts.checks import carried
from transcription.transcripts.editing import transcript
from transcription.transcripts.revisions import compare_tags, list_tag, locked, write_revision
from transcription.transcripts.rewrites import Rewrite, Rule, rewritten
from transcription.transcripts.segment_edits import SegmentEdit, apply_edits, field_values
from transcription.transcripts.validation import checked_text

LONGEST_FIND = 200
LONGEST_REPLACEMENT = 1000
CONTEXT = 40  # characters shown beside a hit

Place = tuple[int, int]
"""The index of a segment, and a character of its stripped text."""


@dataclass(frozen=True)
class Search:
    """What is looked for: `find`, and what it becomes; whole words only, in this case only."""

    find: str
    replacement: str = ""
    match_case: bool = False
    whole_words: bool = False
    action: ClassVar[str] = Revision.Action.SUBSTITUTE

    @property
    def pattern(self) -> re.Pattern[str]:
        """Of a script without spaces any part is a word."""
        before = r"(?<!\w)" if self.whole_words and _is_letter(self.find[0]) else ""
        after = r"(?!\w)" if self.whole_words and _is_letter(self.find[-1]) else ""
        return re.compile(before + re.escape(self.find) + after, self._case)

    def places(self, text: str) -> Iterator[int]:
        """Yields where it begins in a text; never within what a person sees as one character."""
        for hit in self.pattern.finditer(text):
            if is_grapheme_boundary(text, hit.start()) and is_grapheme_boundary(text, hit.end()):
                yield hit.start()

    def within(self, _folder_id: UUID | None) -> Search:
        return self

    def may_match(self, text: str) -> bool:
        return re.search(re.escape(self.find), text, self._case) is not None

    def rewrites(self, text: str) -> Iterator[Rewrite]:
        for place in self.places(text):
            yield Rewrite(place, place + len(self.find), self.replacement)

    def replaced(self, text: str, places: Collection[int]) -> str:
        """Returns the text, on one line, with the replacement at `places`."""
        chosen = frozenset(places)
        return one_line(rewritten(text, (one for one in self.rewrites(text) if one.start in chosen)))

    @property
    def _case(self) -> re.RegexFlag:
        return re.NOFLAG if self.match_case else re.IGNORECASE


@dataclass(frozen=True)
class Hit:
    """A place, `start` of its segment in seconds, the text before, in and after it, and what it becomes."""

    segment: int
    position: int
    start: float
    before: str
    found: str
    after: str
    replacement: str


def checked_search(find: Any, replacement: Any = "", match_case: Any = False, whole_words: Any = False) -> Search:
    """Raises InvalidOption."""
    wanted = _line("find", find, LONGEST_FIND)
    if not wanted.strip():
        raise InvalidOption("find", _("“%(name)s” must not be empty.") % {"name": "find"})
    for name, value in (("match_case", match_case), ("whole_words", whole_words)):
        if not isinstance(value, bool):
            raise InvalidOption(name, _("“%(name)s” must be true or false.") % {"name": name})
    return Search(wanted, _line("replacement", replacement, LONGEST_REPLACEMENT), match_case, whole_words)


def hits(
    actor: Actor, transcription_id: UUID, search: Search, limit: int, *, original: bool
) -> tuple[Transcription, list[Hit], int]:
    """Returns a transcript, the first hits and how many there are. Raises Http404, NotCompleted and TextDeleted.

    Unless it is the `original` that is looked through, nothing that is struck is found, or shown beside a hit.
    """
    row = transcript(actor, transcription_id)
    return row, *hits_of(row, search, limit, () if original else spans_of(row))


def hits_of(row: Transcription, rule: Rule, limit: int, spans: Sequence[Span] = ()) -> tuple[list[Hit], int]:
    """Returns the first places of a transcript where a rule replaces something, and how many there are.

    spans: seconds whose words are left out.
    """
    found, total = list[Hit](), 0
    fields = ("transcription", "index", "start", "text", *(("end", "words") if spans else ()))
    segments: Iterable[Segment] = row.segments.only(*fields).iterator()
    for segment in redacted_segments(segments, spans) if spans else segments:
        text = segment.text.strip()
        for rewrite in rule.rewrites(text):
            total += 1
            if total <= limit:
                found.append(_hit(segment, text, rewrite))
    return found, total


def substitute(
    actor: Actor, transcription_id: UUID, search: Search, skipped: Collection[Place], expected_tags: Collection[str]
) -> tuple[Transcription, int]:
    """Replaces all hits but `skipped` ones; returns the transcript and how many were replaced.

    A segment without text left is removed. `expected_tags` are tags of the list. Raises Http404, Stale, InvalidOption,
    NotCompleted and TextDeleted.
    """
    with locked(actor, transcription_id) as row:
        compare_tags(expected_tags, list_tag(row))
        edits, number = edits_of(row, search, skipped)
        if edits:
            write_edits(actor, row, edits, search.action)
        return row, number


def edits_of(row: Transcription, rule: Rule, skipped: Collection[Place]) -> tuple[dict[int, SegmentEdit], int]:
    """Returns what a rule makes of a transcript's segments, by their indexes, and in how many places."""
    skip, number = frozenset(skipped), 0
    edits: dict[int, SegmentEdit] = {}
    for segment in row.segments.only("transcription", "index", "start", "end", "text").iterator():
        text = segment.text.strip()
        if rewrites := [one for one in rule.rewrites(text) if (segment.index, one.start) not in skip]:
            number += len(rewrites)
            if (after := one_line(rewritten(text, rewrites))) != text:
                edits[segment.index] = SegmentEdit(segment.start, segment.end, after)
    return edits, number


def write_edits(
    actor: Actor, row: Transcription, edits: dict[int, SegmentEdit], action: str, series: UUID | None = None
) -> None:
    """Gives segments, by their indexes, other texts, as one revision. A segment without text left is removed."""
    first, last = min(edits), max(edits)
    former = list(row.segments.filter(index__gte=first, index__lte=last))
    before = [field_values(segment) for segment in former]
    after = []
    for segment, fields in zip(former, before, strict=True):
        edit = edits.get(segment.index)
        if edit is None:
            after.append(fields)
        elif edit.text:
            checked_text(edit.text)
            [replaced] = apply_edits([fields], [edit])
            after.append(replaced | {"checks": carried([fields], edit.text)})
    write_revision(actor, row, action, first, former, after, series=series)


def _hit(segment: Segment, text: str, rewrite: Rewrite) -> Hit:
    start, end, replacement = rewrite
    before, after = text[max(0, start - CONTEXT) : start], text[end : end + CONTEXT]
    lead, tail = "…" * (start > CONTEXT), "…" * (end + CONTEXT < len(text))
    return Hit(segment.index, start, segment.start, lead + before, text[start:end], after + tail, replacement)


def _line(name: str, value: Any, longest: int) -> str:
    """Returns a text on one line, with a space at its ends where it has some. Raises InvalidOption."""
    if not isinstance(value, str):
        raise InvalidOption(name, _("“%(name)s” must be a string.") % {"name": name})
    if len(value) > longest:
        message = _("“%(name)s” can have at most %(n)d characters.")
        raise InvalidOption(name, message % {"name": name, "n": longest})
    bare = one_line(value)
    return f"{' ' * value[:1].isspace()}{bare}{' ' * value[-1:].isspace()}" if bare else ""


def _is_letter(character: str) -> bool:
    return re.match(r"\w", character) is not None and not is_unspaced(character)

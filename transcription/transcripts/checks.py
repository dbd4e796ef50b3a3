"""What people have checked of a transcript, and how much of it that is.

A segment's `checks` are disjoint parts of its trimmed text, in order: the characters from and to, who, and when. Who is
`user:ID` or `key:ID`, so that the checks go through revisions as they are, and a person's name is read when it is
shown; or `guest:NAME`. A transcription's `checked` sums them up:

    {"words": 120, "by": {"user:7": 90}, "at": "2026-11-29T10:00:00+00:00", "gaps": [[3.0, 6.0, "user:7", "…"]]}

`gaps` is speech without text, in seconds, where somebody has listened and found nothing to write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from tenants.access import Actor
from tenants.models import ApiKey, User
from transcription.engine.types import Span
from transcription.models import Segment, Transcription
from transcription.scripts import count_words
from transcription.transcripts.doubts import missed_speech

Check = list[Any]


class CheckedBy(TypedDict):
    """Whose checks are of so many words; null for somebody who was deleted."""

    name: str | None
    words: int


class CheckedFields(TypedDict):
    """How many of a transcript's words were checked, by whom, and when the last ones were."""

    words: int
    checked_words: int
    by: list[CheckedBy]
    at: str | None


@dataclass(frozen=True)
class Checked:
    """How much of a transcript's words was checked, the one who checked most first, and when that was done last."""

    words: int
    by: tuple[tuple[str, int], ...] = ()
    at: datetime | None = None

    @property
    def count(self) -> int:
        return sum(words for _name, words in self.by)

    @property
    def percent(self) -> int:
        """The share, which is 100 only where nothing is left."""
        return min(100 * self.count // self.words if self.words else 0, 100)

    @property
    def sentence(self) -> str:
        """Says how much was checked and by whom; empty where nothing was."""
        names = ", ".join(name for name, _words in self.by if name)
        if not self.count:
            return ""
        if not names:
            return _("Checked %(percent)d %%") % {"percent": self.percent}
        return _("Checked %(percent)d %% by %(names)s") % {"percent": self.percent, "names": names}

    @property
    def fields(self) -> CheckedFields:
        """The same for programs."""
        return {
            "words": self.words,
            "checked_words": self.count,
            "by": [{"name": name or None, "words": words} for name, words in self.by],
            "at": self.at.isoformat() if self.at else None,
        }

    @property
    def account(self) -> list[str]:
        """Says who checked how much, and when that was last."""
        line = _("%(name)s checked %(words)d of %(all)d words.")
        gone = _("Somebody who has left")
        lines = [line % {"name": name or gone, "words": words, "all": self.words} for name, words in self.by]
        if self.at and lines:
            when = date_format(localtime(self.at), "DATETIME_FORMAT")
            lines.append(_("Last on %(when)s") % {"when": when})
        return lines


def check_of(actor: Actor, first: int, last: int) -> Check:
    who = f"key:{actor.key.pk}" if actor.key else f"user:{actor.person.pk}" if actor.person else ""
    if actor.guest is not None:
        who = f"guest:{actor.guest.full_name}"
    return [first, last, who, timezone.now().isoformat(timespec="seconds")]


def with_check(checks: Iterable[Check], new: Check) -> list[Check]:
    """Adds a check; it takes the place of what it covers of others."""
    return sorted([*without_check(checks, new[0], new[1]), new])


def without_check(checks: Iterable[Check], first: int, last: int) -> list[Check]:
    """Returns what is left of the checks beside the characters from `first` to `last`."""
    left: list[Check] = []
    for start, end, *rest in checks:
        left += [[a, b, *rest] for a, b in ((start, min(end, first)), (max(start, last), end)) if a < b]
    return left


def is_checked(checks: Iterable[Check], first: int, last: int) -> bool:
    """Whether the characters from `first` to `last` were checked, but for a space between two checks."""
    left = [[first, last]]
    for check in checks:
        left = without_check(left, check[0], check[1])
    return all(end - start == 1 and first < start and end < last for start, end in left)


def is_whole(segment: Segment) -> bool:
    return is_checked(segment.checks, 0, len(segment.text.strip()))


def carried(segments: Sequence[dict[str, Any]], text: str) -> list[Check]:
    """Returns the checks of a text that was made of segments, whose fields are given: all of it, or nothing."""
    whole = all(is_checked(fields.get("checks", ()), 0, len(fields["text"].strip())) for fields in segments)
    return [[0, len(text), *segments[0]["checks"][0][2:]]] if whole and segments[0]["text"].strip() else []


def open_gaps(row: Transcription, texts: Iterable[Span]) -> list[Span]:
    """Returns in seconds where speech has no text, and nobody has checked that. `texts`: as of `missed_speech`."""
    listened = [(gap[0], gap[1]) for gap in row.checked.get("gaps", ())]
    return [gap for gap in missed_speech(row, texts) if not any(a < gap[1] and gap[0] < b for a, b in listened)]


def words_of(segments: Iterable[Segment]) -> int:
    return sum(count_words(segment.text) for segment in segments)


def recount(row: Transcription) -> None:
    """Sums up the checks of all segments, and saves that with the transcription. Call in the change's transaction."""
    words, by, at = 0, defaultdict[str, int](int), ""
    for text, checks in row.segments.values_list("text", "checks"):
        text = text.strip()
        words += count_words(text)
        for first, last, who, when in checks:
            by[who] += count_words(text[first:last])
            at = max(at, when)
    gaps = row.checked.get("gaps", [])
    at = max([at, *(gap[-1] for gap in gaps)])
    row.checked = {"words": words, "by": dict(by), "at": at, "gaps": gaps} if at else {}
    row.checked_share = min(1.0, sum(by.values()) / words) if words else 0.0
    Transcription.objects.filter(id=row.id).update(checked=row.checked, checked_share=row.checked_share)


def checked(row: Transcription) -> Checked:
    """Returns how much of a transcription was checked, by whom and when, with one query or two for the names."""
    return checked_of([row])[row.pk]


def checked_of(rows: Iterable[Transcription]) -> dict[Any, Checked]:
    """The same of several of one tenant, by id."""
    rows = list(rows)
    names = _names({who for row in rows for who in row.checked.get("by", ())})
    return {row.pk: _summed(row, names) for row in rows}


def names_of_checks(segments: Iterable[Segment]) -> dict[str, str]:
    """Returns the names of those who checked something of the segments."""
    return _names({check[2] for segment in segments for check in segment.checks})


def _summed(row: Transcription, names: dict[str, str]) -> Checked:
    by = sorted(row.checked.get("by", {}).items(), key=lambda one: -one[1])
    at = parse_datetime(row.checked.get("at", ""))
    return Checked(row.checked.get("words", 0), tuple((names.get(who, ""), words) for who, words in by), at)


def _names(whose: Iterable[str]) -> dict[str, str]:
    """Returns names by what `check_of` writes; nobody's that were deleted."""
    ids: dict[str, set[str]] = defaultdict(set)
    for who in whose:
        kind, _colon, number = who.partition(":")
        ids[kind].add(number)
    names = {f"guest:{name}": name for name in ids["guest"]}
    if ids["user"]:
        names |= {f"user:{user.pk}": str(user) for user in User.objects.filter(pk__in=ids["user"])}
    if ids["key"]:
        names |= {f"key:{key.pk}": key.name for key in ApiKey.objects.filter(pk__in=ids["key"])}
    return names

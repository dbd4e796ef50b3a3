"""The speakers of a transcript: naming them, merging two of them, and giving segments to another one.

Each change is a revision, as a correction of the text is, and can be undone like one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, F, FloatField, Max, Sum
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from tenants.access import Actor
from transcription.errors import InvalidOption
from transcription.models import Revision, Segment, Speaker, Transcription
from transcription.models.speaker import LONGEST_NAME
from transcription.options.speakers import OFF
from transcription.scripts import one_line
from transcription.transcripts.editing import transcript
from transcription.transcripts.revisions import compare_tags, list_tag, locked, write_revision, write_speakers
from transcription.transcripts.validation import NoSuchPart, no_such_segment

Action = Revision.Action
MOST = 100


@dataclass(frozen=True)
class Share:
    """A speaker with how much is theirs. Speakers without segments have none."""

    speaker: Speaker
    seconds: float
    segments: int


def speakers(actor: Actor, transcription_id: UUID) -> tuple[Transcription, list[Share]]:
    """Returns a transcription and its speakers. Raises Http404, NotCompleted and TextDeleted."""
    row = transcript(actor, transcription_id)
    return row, shares(row)


def shares(row: Transcription) -> list[Share]:
    """Returns the speakers of a transcript that have any segments; the database adds up."""
    if row.speakers == OFF:
        return []
    seconds = Sum(Greatest(F("end") - F("start"), 0.0, output_field=FloatField()))
    groups = row.segments.order_by().values("speaker").annotate(seconds=seconds, count=Count("pk"))
    found = {group["speaker"]: group for group in groups}
    return [
        Share(one, round(found[one.index]["seconds"], 3), found[one.index]["count"])
        for one in row.speaker_set.all()
        if one.index in found
    ]


def checked_name(value: object) -> str:
    """Returns a name on one line; empty takes it away. Raises InvalidOption."""
    if not isinstance(value, str):
        raise InvalidOption("name", _("“%(name)s” must be a string.") % {"name": "name"})
    name = _visible(one_line(value[: 4 * LONGEST_NAME]))
    if len(value) > 4 * LONGEST_NAME or len(name) > LONGEST_NAME:
        raise InvalidOption("name", _("A name can have at most %(n)d characters.") % {"n": LONGEST_NAME})
    return name


def rename(
    actor: Actor, transcription_id: UUID, index: int, name: object, expected_tags: Collection[str]
) -> Transcription:
    """Names a speaker. `expected_tags` are tags of the list of segments.

    Raises Http404, Stale, InvalidOption, NotCompleted and TextDeleted.
    """
    with locked(actor, transcription_id) as row:
        _speaker(row, index)
        compare_tags(expected_tags, list_tag(row))
        write_revision(actor, row, Action.RENAME, 0, [], [], {index: checked_name(name)})
        return row


def merge(actor: Actor, transcription_id: UUID, index: int, into: int, expected_tags: Collection[str]) -> Transcription:
    """Gives all segments of a speaker to another one. Raises as `rename` does."""
    with locked(actor, transcription_id) as row:
        _speaker(row, index)
        _speaker(row, into, "into")
        compare_tags(expected_tags, list_tag(row))
        _give(
            actor, row, Action.JOIN, row.segments.filter(speaker=index).only("transcription", "index", "speaker"), into
        )
        return row


def assign(
    actor: Actor,
    transcription_id: UUID,
    first: int,
    last: int,
    speaker: int | None,
    expected_tags: Collection[str],
    is_new: bool = False,
) -> Transcription:
    """Gives the segments from `first` to `last` to a speaker, to nobody, or to a new speaker.

    Raises as `rename` does.
    """
    with locked(actor, transcription_id) as row:
        if row.speakers == OFF:
            message = _("Speakers are not told apart here. Transcribe the recording again with “speakers”.")
            raise InvalidOption("speaker", message)
        compare_tags(expected_tags, list_tag(row))
        segments = row.segments.filter(index__gte=first, index__lte=last).only("transcription", "index", "speaker")
        if last < first or segments.count() != last - first + 1:
            raise no_such_segment(row)
        if is_new:
            speaker = _added(row).index
        elif speaker is not None:
            _speaker(row, speaker, "speaker")
        _give(actor, row, Action.SPEAKER, segments, speaker)
        return row


def _give(actor: Actor, row: Transcription, action: str, segments: Iterable[Segment], speaker: int | None) -> None:
    before = {segment.index: segment.speaker for segment in segments if segment.speaker != speaker}
    write_speakers(actor, row, action, before, dict.fromkeys(before, speaker))


def _speaker(row: Transcription, index: int, param: str = "") -> Speaker:
    """Raises Http404, or InvalidOption for the parameter `param`."""
    found = row.speaker_set.filter(index=index).first()
    if found is None:
        known = ", ".join(str(one) for one in row.speaker_set.order_by("index").values_list("index", flat=True))
        message = _("There is no speaker %(number)d. Known are: %(known)s.") % {"number": index, "known": known or "–"}
        raise InvalidOption(param, message) if param else NoSuchPart(message)
    return found


def _added(row: Transcription) -> Speaker:
    """Raises InvalidOption."""
    last = row.speaker_set.aggregate(last=Max("index"))["last"]
    index = 0 if last is None else last + 1
    if index >= MOST:
        raise InvalidOption("speaker", _("A transcript can have at most %(n)d speakers.") % {"n": MOST})
    speaker = Speaker.numbered(row, index)
    speaker.save(force_insert=True)
    return speaker


def _visible(name: str) -> str:
    """Returns a name without characters that turn or hide what stands around it."""
    return "".join(c for c in name if unicodedata.category(c) != "Cf" or c in "\u200c\u200d").strip()

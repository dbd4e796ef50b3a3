"""The same done to many recordings, a part at a time: whoever asks goes on from where a part ended.

Each recording is a transaction of its own, so that one which is refused stops no other one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet, Sum
from django.http import Http404

from tenants.access import Actor
from transcription.errors import InvalidOption, Refused
from transcription.folders.visibility import seen
from transcription.library import moving, recordings, tags
from transcription.models import Folder, Recording, Tag
from transcription.search import Cursor

log = logging.getLogger(__name__)
SECONDS = 1.0
"""After which a part ends."""
MOST = 200
REFUSALS = (Refused, InvalidOption, Http404, PermissionDenied)


@dataclass(frozen=True)
class Failure:
    """A recording for which it was refused, and why."""

    name: str
    reason: str


@dataclass
class Part:
    """What became of some recordings, and after which one the others come; None where there are none.

    `before` has the ids of the folders that those which were moved were in; None for none.
    """

    done: list[UUID] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    cursor: Cursor | None = None
    before: dict[UUID, UUID | None] = field(default_factory=dict)


def carry_out(rows: QuerySet[Recording], after: Cursor | None, act: Callable[[Recording], object]) -> Part:
    """Does it to as many of the rows as a second lets."""
    part, ends_at = Part(), time.monotonic() + SECONDS
    found = page(rows, after, MOST)
    for number, row in enumerate(found):
        try:
            act(row)
            part.done.append(row.id)
        except REFUSALS as refused:
            part.failed.append(Failure(row.name, str(refused)))
        except Exception:
            if not number:
                raise
            log.exception("One of many recordings failed")  # the next part begins with it, and tells
            part.cursor = Cursor(found[number - 1].created_at, found[number - 1].id)
            break
        is_last = number == len(found) - 1
        if (is_last and len(found) == MOST) or (not is_last and time.monotonic() > ends_at):
            part.cursor = Cursor(row.created_at, row.id)
            break
    return part


def put_tag(actor: Actor, rows: QuerySet[Recording], after: Cursor | None, tag: Tag, off: bool = False) -> Part:
    """Puts a tag on some of the rows, or takes it off. Raises Http404 for a tag that is gone."""
    found = page(rows, after, MOST)
    ids = set(tags.writable(actor, {row.id for row in found}).values_list("id", flat=True))
    full = set() if off else tags.put_on_many(actor, tag, ids)
    if off:
        tags.take_off_many(actor, tag, ids)
    part = Part([*(ids - full)], [Failure(row.name, tags.too_many()) for row in found if row.id in full])
    part.failed += [Failure(row.name, _refusal(actor, row)) for row in found if row.id not in ids]
    if len(found) == MOST:
        part.cursor = Cursor(found[-1].created_at, found[-1].id)
    return part


def _refusal(actor: Actor, row: Recording) -> str:
    try:
        recordings.recording(actor, row.id, permission=tags.PERMISSION)
    except (Http404, PermissionDenied) as refused:
        return str(refused)
    return ""


def move(actor: Actor, rows: QuerySet[Recording], after: Cursor | None, into: Folder | None) -> Part:
    """Moves as many of the rows as a second lets into a folder, or out of any."""
    before = dict[UUID, UUID | None]()

    def act(row: Recording) -> None:
        was = moving.move(actor, row.id, into)
        before[row.id] = was.id if was else None

    part = carry_out(rows, after, act)
    part.before = before
    return part


def every(actor: Actor, rows: QuerySet[Recording]) -> Iterator[Recording]:
    """Yields the rows, newest first, and holds MOST of them at most.

    What the actor no longer sees when its page is read is left out: whoever reads slowly reads for hours.
    """
    after: Cursor | None = None
    while found := page(rows.filter(seen(actor)), after, MOST):
        yield from found
        after = Cursor(found[-1].created_at, found[-1].id)


def totals(rows: QuerySet[Recording]) -> tuple[int, float, int]:
    """Returns how many there are, and of those with audio the seconds; then how many have none."""
    with_audio = rows.filter(audio_deleted_at=None)
    count = rows.order_by().count()
    seconds = with_audio.order_by().aggregate(seconds=Sum("duration_seconds"))["seconds"]
    return count, seconds or 0.0, count - with_audio.order_by().count()


def page(rows: QuerySet[Recording], after: Cursor | None, most: int) -> list[Recording]:
    if after is not None:
        earlier = Q(created_at__lt=after.created_at)
        rows = rows.filter(earlier | Q(created_at=after.created_at, id__lt=after.recording_id))
    return list(rows.order_by("-created_at", "-id")[:most])

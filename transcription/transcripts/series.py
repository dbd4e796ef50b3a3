"""Finds and replaces text in many transcripts. The revisions that are made of it are a series, and undone as one.

Nobody waits for all of a library: each call does what fits into its time and says where the next one goes on. Each
transcript is a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from time import monotonic
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Max, Min, Q, QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants.access import Actor
from transcription.errors import InvalidOption
from transcription.folders.visibility import seen
from transcription.library import read_audit, recordings
from transcription.library.filters import Filter
from transcription.library.retention import TextDeleted
from transcription.models import Recording, Revision, Status, Transcription
from transcription.search import Cursor
from transcription.strikes import spans_of
from transcription.transcripts.editing import revert, transcript
from transcription.transcripts.revisions import NotCompleted, Stale, compare_tags, list_tag, locked
from transcription.transcripts.rewrites import Rule
from transcription.transcripts.substitution import Hit, Place, edits_of, hits_of, write_edits

PERMISSION = "transcripts.edit"
SECONDS = 1.0
"""After that long a call begins with no other transcript."""
PAGE = 50
MOST_FOUND = 50
MOST_SHOWN = 100
MOST_TARGETS = 100
SHOWN_OF_RECORDING = ("tenant", "name", "created_at", "duration_seconds")
LISTED_DAYS = 30
LISTED = 20
MADE = ~Q(action=Revision.Action.REVERT)
UNDOABLE = MADE & Q(
    number=F("transcription__revision"),
    transcription__status=Status.COMPLETED,
    transcription__text_deleted_at=None,
    transcription__recording__deleted_at=None,
)


@dataclass(frozen=True)
class Found:
    """A transcript in which something would be replaced, the first hits, and how many there are."""

    row: Transcription
    hits: list[Hit]
    total: int


@dataclass(frozen=True)
class Preview:
    """What was found in `looked` recordings; `cursor` is where to go on, None at the end."""

    found: list[Found]
    looked: int
    cursor: Cursor | None


@dataclass(frozen=True)
class Target:
    """A transcript as it was seen, and the hits to leave as they are."""

    transcription_id: UUID
    revision: int
    skipped: Collection[Place] = frozenset()


class Outcome(StrEnum):
    """What became of a target."""

    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    STALE = "stale"
    TOO_LONG = "too_long"
    GONE = "gone"


@dataclass(frozen=True)
class Undone:
    """How many transcripts a call gave back their former text, and how many are left for the next one."""

    undone: int
    left: int


@dataclass(frozen=True)
class Series:
    """What was replaced together: in how many transcripts, how often it was undone, and where it still can be.

    The others have been corrected since, or have no text any more.
    """

    id: UUID
    action: str
    made_at: datetime
    author: str
    transcripts: int
    undone: int
    undoable: int

    @property
    def kept(self) -> int:
        return self.transcripts - self.undone - self.undoable


@dataclass
class _Clock:
    """Says when a call has taken its time."""

    until: float = field(default_factory=lambda: monotonic() + SECONDS)

    @property
    def is_over(self) -> bool:
        return monotonic() >= self.until


def preview(
    actor: Actor,
    filters: Filter,
    rule: Rule,
    after: Cursor | None = None,
    shown: int = MOST_SHOWN,
    *,
    original: bool,
) -> Preview:
    """Looks through the newest texts of the tenant's recordings that match, newest first, from a cursor on.

    Of each transcript the first `shown` hits are returned. Reading is in the audit log, as of a search.

    original: in the words that are struck, too.
    """
    seen = _look(actor, filters, rule, after, shown, original=original)
    read_audit.searched(actor, len(seen.found), [one.row.id for one in seen.found])
    return seen


def replace(actor: Actor, rule: Rule, targets: Sequence[Target], series: UUID) -> list[tuple[UUID, Outcome]]:
    """Replaces it in the first targets that fit into the time, at least one, and says what became of each.

    Sent again, a target that is done already stays as it is. Raises PermissionDenied.
    """
    actor.require(PERMISSION)
    clock, outcomes = _Clock(), list[tuple[UUID, Outcome]]()
    for target in targets:
        if outcomes and clock.is_over:
            break
        outcomes.append((target.transcription_id, _replace(actor, rule, target, series)))
    return outcomes


def undo(actor: Actor, series: UUID) -> Undone:
    """Undoes a series in the first transcripts that fit into the time, where nothing was corrected since.

    Raises Http404 and PermissionDenied.
    """
    actor.require(PERMISSION)
    rows, undone = _of(actor, PERMISSION).filter(series=series), 0
    if not rows.exists():
        raise Http404(_("There is no such series."))
    page = list(rows.filter(UNDOABLE).order_by("id").only("transcription", "number")[:PAGE])
    clock = _Clock()
    for revision in page:
        try:
            revert(actor, revision.transcription_id, revision.number - 1, {str(revision.number)}, series)
            undone += 1
        except (Stale, Http404, NotCompleted, TextDeleted, PermissionDenied):  # somebody was faster
            pass
        if clock.is_over:
            break
    return Undone(undone, rows.filter(UNDOABLE).count())


def recent(actor: Actor) -> list[Series]:
    """Returns the tenant's latest series, newest first."""
    actor.require("recordings.view")
    rows = _of(actor).filter(series__isnull=False, made_at__gte=timezone.now() - timedelta(days=LISTED_DAYS))
    found = (
        rows.order_by()
        .values("series")
        .annotate(
            what=Max("action", filter=MADE),
            at=Min("made_at"),
            transcripts=Count("id", filter=MADE),
            undone=Count("id", filter=~MADE),
            undoable=Count("id", filter=UNDOABLE),
        )
    )
    listed = list(found.filter(transcripts__gt=0).order_by("-at")[:LISTED])
    made = rows.filter(MADE).select_related("made_by", "api_key")
    return [
        Series(
            one["series"],
            one["what"],
            one["at"],
            next((first.author for first in made.filter(series=one["series"])[:1]), ""),
            one["transcripts"],
            one["undone"],
            one["undoable"],
        )
        for one in listed
        if one["series"]
    ]


def _replace(actor: Actor, rule: Rule, target: Target, series: UUID) -> Outcome:
    tags = {str(target.revision)}
    made = _of(actor).filter(MADE, series=series, transcription=target.transcription_id)
    try:
        recordings.transcription(actor, target.transcription_id, permission=PERMISSION)  # before the text is looked at
        row = transcript(actor, target.transcription_id)
        compare_tags(tags, list_tag(row))
        of_folder = rule.within(row.recording.folder_id)
        edits, _number = edits_of(row, of_folder, target.skipped)  # of the expected revision, if found after that, too
        if not edits:
            compare_tags(tags, list_tag(transcript(actor, target.transcription_id)))
            return Outcome.UNCHANGED
        with locked(actor, target.transcription_id) as row:
            compare_tags(tags, list_tag(row))
            if made.exists():  # of two revisions of a series only the last could be undone
                return Outcome.STALE
            write_edits(actor, row, edits, rule.action, series)
    except Stale:
        return Outcome.REPLACED if made.filter(number=target.revision + 1).exists() else Outcome.STALE
    except (Http404, NotCompleted, TextDeleted, PermissionDenied):
        return Outcome.GONE
    except InvalidOption:
        return Outcome.TOO_LONG
    return Outcome.REPLACED


def _look(actor: Actor, filters: Filter, rule: Rule, after: Cursor | None, shown: int, *, original: bool) -> Preview:
    clock, found, looked = _Clock(), list[Found](), 0
    while page := _page(actor, filters, after):
        texts = _newest_texts(page)
        for recording in page:
            looked, after = looked + 1, Cursor(recording.created_at, recording.id)
            of_folder = rule.within(recording.folder_id)
            if (row := texts.get(recording.id)) and of_folder.may_match(row.text):
                hidden = spans_of(row) if recording.struck and not original else []
                hits, total = hits_of(row, of_folder, shown, hidden)
                found += [Found(row, hits, total)] if total else []
            if clock.is_over or len(found) >= MOST_FOUND:
                return Preview(found, looked, after)
    return Preview(found, looked, None)


def _of(actor: Actor, permission: str = "recordings.view") -> QuerySet[Revision]:
    """Returns the revisions of recordings with which the actor may do something."""
    return Revision.objects.filter(seen(actor, "transcription__recording", permission), tenant=actor.tenant)


def _page(actor: Actor, filters: Filter, after: Cursor | None) -> list[Recording]:
    rows = (
        recordings.recordings(actor, filters).filter(seen(actor, permission=PERMISSION)).order_by("-created_at", "-id")
    )
    if after is not None:
        earlier = Q(created_at__lt=after.created_at)
        rows = rows.filter(earlier | Q(created_at=after.created_at, id__lt=after.recording_id))
    return list(rows[:PAGE])


def _newest_texts(page: Sequence[Recording]) -> dict[UUID, Transcription]:
    """Returns the newest transcription with a text of each recording, by its id."""
    newest = dict[UUID, tuple[datetime, UUID]]()
    for recording in page:
        texts = [
            (one.created_at, one.id)
            for one in recording.transcriptions.all()
            if one.status == Status.COMPLETED and one.text_deleted_at is None
        ]
        if texts:
            newest[recording.id] = max(texts)
    rows = Transcription.objects.filter(id__in=[row_id for _at, row_id in newest.values()])
    rows = rows.only(
        "tenant", "revision", "text", *(f"recording__{name}" for name in SHOWN_OF_RECORDING)
    ).select_related("recording")
    return {row.recording_id: row for row in rows}

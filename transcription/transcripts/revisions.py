"""Changes a transcript: locks it, compares the caller's tags, and stores what stood there in a revision."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Sum
from django.http import Http404
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from transcription import search
from transcription.comments import passages
from transcription.errors import InvalidOption, Refused
from transcription.library import read_audit, recordings, retention
from transcription.models import MachineText, Recording, Revision, Segment, Speaker, Status, Transcription
from transcription.queue import progress
from transcription.strikes import MASK, copies, followed, other_texts, united, without
from transcription.strikes.spans import Span
from transcription.transcripts import checks
from transcription.transcripts.segment_edits import SegmentFields, field_values
from transcription.transcripts.validation import NoSuchPart

ANY = "*"
MAX_REVISIONS = 1000
MAX_KEPT_CHARACTERS = 20_000_000
MAX_KEPT_OF_GUESTS = 5_000_000
INDEX_OFFSET = 1_000_000  # keeps indexes unique while the segments after a change are renumbered
BATCH = 500
NO_NAMES: Mapping[int, str] = {}
Strikes = dict[str, list[list[float]]]
NO_STRIKES: Strikes = {}
NOT_CHECKED: SegmentFields = {"checks": []}
"""What segments lack that were stored before there were checks."""


class NotCompleted(Exception):
    """The transcription has no text yet, or failed. `status` is the transcription's."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class Stale(Exception):
    """The transcript was changed since the caller read it. `tag` is the current one."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.tag = tag


def list_tag(row: Transcription) -> str:
    """Returns the entity tag of all segments."""
    return str(row.revision)


def segment_tag(segment: Segment) -> str:
    """Returns the entity tag of one segment. It includes the index, since another segment may move there."""
    return f"{segment.index}.{segment.revision}"


@contextmanager
def locked(actor: Actor, transcription_id: UUID) -> Iterator[Transcription]:
    """Locks the transcript for one transaction."""
    actor.require("transcripts.edit")
    recordings.transcription(actor, transcription_id, permission="transcripts.edit")
    with transaction.atomic():
        rows = Transcription.objects.filter(tenant=actor.tenant, id=transcription_id)
        row = rows.select_for_update(of=("self",)).select_related("recording", "tenant").first()
        recordings.transcription(actor, transcription_id, permission="transcripts.edit")  # where it is now
        if row is None:
            raise Http404(_("There is no such transcription."))
        require_text(row)
        yield row


def require_text(row: Transcription) -> None:
    retention.require_text(row)
    if row.status != Status.COMPLETED:
        raise NotCompleted(row.status)


def compare_tags(expected_tags: Collection[str], *tags: str) -> None:
    """Raises Stale, with the first of `tags`, unless one of them is expected."""
    if ANY not in expected_tags and not set(tags) & set(expected_tags):
        raise Stale(tags[0])


def write_revision(
    actor: Actor,
    row: Transcription,
    action: str,
    first: int,
    former: list[Segment],
    replacement: list[SegmentFields],
    names: Mapping[int, str] = NO_NAMES,
    series: UUID | None = None,
    struck: Sequence[Span] | None = None,
) -> None:
    """Replaces segments and names of speakers, stores the former ones in a revision and indexes the text.

    Equal segments at both ends stay, and equal ones between others where their number does. Where segments only get
    other speakers, nothing else of them is written or stored. `struck` is what of the recording is struck then; without
    it what was, and what the change moved of it. Raises InvalidOption for text in which a mask stands.
    """
    before = [field_values(segment) for segment in former]
    renamed = _former_names(row, names)
    strikes = _struck_then(row, before, replacement, struck)
    if not strikes and (places := _only_moved(before, replacement)):
        was, now = ({first + at: fields[at].get("speaker") for at in places} for fields in (before, replacement))
        write_speakers(actor, row, action, was, now, names)
        return
    passages.follow(row.recording_id, before, replacement)
    head, tail = _alike(before, replacement)
    if head == len(before) == len(replacement) and not renamed:
        if strikes:
            write_strikes(actor, row, action, strikes, series)
            return
        read_audit.read(actor, row, "correction")  # nothing changes, but the caller gets the text
        return
    former, before = former[head : len(former) - tail], before[head : len(before) - tail]
    replacement, first = replacement[head : len(replacement) - tail], first + head
    if len(before) == len(replacement) > 1:
        _change_in_place(actor, row, action, former, replacement, names, series, strikes)
        return
    _begin(row, strikes)
    _replace_segments(row, row.revision + 1, first, former, replacement)
    _rename(row, names)
    kept: dict[str, Any] = {"first": first, "added": len(replacement), "before": before, "names": renamed}
    _store(actor, row, action, series, **kept, struck=strikes)


def _change_in_place(
    actor: Actor,
    row: Transcription,
    action: str,
    former: list[Segment],
    replacement: list[SegmentFields],
    names: Mapping[int, str],
    series: UUID | None,
    strikes: Strikes,
) -> None:
    renamed = _former_names(row, names)
    _begin(row, strikes)
    pairs = [(one, fields) for one, fields in zip(former, replacement, strict=True) if field_values(one) != fields]
    changed = {str(one.index): field_values(one) for one, _fields in pairs}
    common: dict[str, Any] = {"tenant_id": row.tenant_id, "transcription": row, "revision": row.revision + 1}
    Segment.objects.filter(pk__in=[one.pk for one, _fields in pairs]).delete()
    Segment.objects.bulk_create([Segment(index=one.index, **common, **fields) for one, fields in pairs], BATCH)
    _rename(row, names)
    kept: dict[str, Any] = {"first": pairs[0][0].index, "added": 0, "before": [], "names": renamed}
    _store(actor, row, action, series, **kept, changed=changed, struck=strikes)


def write_strikes(actor: Actor, row: Transcription, action: str, strikes: Strikes, series: UUID | None = None) -> None:
    """Writes what of the recording is struck, as a revision that changes no text. The segments' tags stay.

    strikes: as `strikes_between` returns them.
    """
    if not strikes:
        read_audit.read(actor, row, "correction")
        return
    _begin(row, strikes)
    touched = [span for spans in strikes.values() for span in spans]
    lines = row.segments.filter(end__gte=min(span[0] for span in touched)).values_list("index", flat=True)
    kept: dict[str, Any] = {"first": lines.order_by("index").first() or 0, "added": 0, "before": []}
    _store(actor, row, action, series, **kept, struck=strikes)


def strikes_between(before: Iterable[Sequence[float]], after: Iterable[Sequence[float]]) -> Strikes:
    """Returns the seconds that are struck after a change and not before it, and the other way round; empty for none."""
    before, after = list(before), list(after)
    parts = {"added": without(after, before), "removed": without(before, after)}
    return {name: [list(one) for one in spans] for name, spans in parts.items() if spans}


def struck_now(row: Transcription) -> list[Span]:
    """Locks the recording, and returns what of it is struck."""
    rows = Recording.objects.select_for_update(no_key=True).filter(id=row.recording_id)
    return united(rows.values_list("struck", flat=True).get())


def struck_at(row: Transcription, number: int) -> list[Span]:
    """Returns what was struck after revision `number`, without what later ones struck, and with what they didn't leave.

    What was struck from another transcription of the recording stays.
    """
    spans = struck_now(row)
    for strikes in Revision.objects.filter(transcription=row, number__gt=number).values_list("struck", flat=True):
        spans = united(without(spans, strikes.get("added", [])), strikes.get("removed", []))
    return spans


def _struck_then(
    row: Transcription, before: list[SegmentFields], after: list[SegmentFields], struck: Sequence[Span] | None
) -> Strikes:
    """Raises InvalidOption."""
    spans = struck_now(row)
    if spans and any(MASK in fields["text"] for fields in after) and not any(MASK in one["text"] for one in before):
        message = _("This text is redacted: %(mask)s stands for words. Read it with “redacted=false” to correct it.")
        raise InvalidOption("text", message % {"mask": MASK})
    target = united(spans, followed(before, after, spans)) if struck is None else struck
    return strikes_between(spans, target)


def write_speakers(
    actor: Actor,
    row: Transcription,
    action: str,
    before: Mapping[int, int | None],
    after: Mapping[int, int | None],
    names: Mapping[int, str] = NO_NAMES,
) -> None:
    """Gives segments to other speakers, by their indexes, and stores whose they were in a revision.

    The segments' tags stay: what was typed meanwhile is saved beside it.
    """
    if not before:
        read_audit.read(actor, row, "correction")
        return
    renamed = _former_names(row, names)
    _begin(row)
    for speaker in set(after.values()):
        indexes = [index for index, now in after.items() if now == speaker]
        for at in range(0, len(indexes), BATCH):
            row.segments.filter(index__in=indexes[at : at + BATCH]).update(speaker=speaker)
    _rename(row, names)
    speakers = {str(index): speaker for index, speaker in before.items()}
    _store(actor, row, action, None, first=min(before), added=0, before=[], names=renamed, speakers=speakers)


def _begin(row: Transcription, strikes: Strikes = NO_STRIKES) -> None:
    if row.revision == 0:
        _keep_machine_text(row)
    if strikes:
        recording = row.recording
        spans = united(without(struck_now(row), strikes.get("removed", [])), strikes.get("added", []))
        recording.struck = [list(one) for one in spans]
        recording.save(update_fields=["struck"])
        copies.want(recording)


def _rename(row: Transcription, names: Mapping[int, str]) -> None:
    for index, name in names.items():
        Speaker.objects.filter(transcription=row, index=index).update(name=name, recognised=None)


def _store(actor: Actor, row: Transcription, action: str, series: UUID | None, **kept: Any) -> None:
    """Counts the revision up and stores what it replaced. Raises Stale."""
    number, text = row.revision + 1, "".join(row.segments.values_list("text", flat=True)).strip()
    if not Transcription.objects.filter(id=row.id, revision=row.revision).update(revision=number, text=text):
        raise Stale(list_tag(row))
    row.revision, row.text = number, text
    checks.recount(row)
    who = {"made_by": actor.person, "api_key": actor.key, "guest": actor.guest.full_name if actor.guest else ""}
    common = {"tenant_id": row.tenant_id, "transcription": row, "number": number, "action": action, "series": series}
    Revision.objects.create(**common, **who, **kept, size=len(json.dumps(kept)))
    details = {"recording": str(row.recording_id), "how": action} | ({"series": str(series)} if series else {})
    audit.record(actor, "transcript.corrected", row, **details, revision=number)
    _note_strikes(actor, row, kept.get("struck", {}))
    _forget_oldest(actor, row)
    Recording.note_change(row.recording_id)
    search.index_recording(row.recording_id)
    transaction.on_commit(partial(progress.announce_revision, row.id, number))


def _note_strikes(actor: Actor, row: Transcription, strikes: Strikes) -> None:
    for name, action in (("added", "transcript.struck"), ("removed", "transcript.unstruck")):
        if spans := strikes.get(name):
            where: dict[str, Any] = other_texts.noted([(start, end) for start, end in spans])
            audit.record(actor, action, row, recording=str(row.recording_id), **where, revision=row.revision)


def _former_names(row: Transcription, names: Mapping[int, str]) -> dict[str, str]:
    """Returns the names that `names` would change, by the speakers' indexes."""
    if not names:
        return {}
    current = dict(row.speaker_set.values_list("index", "name"))
    return {str(index): current[index] for index, name in names.items() if current.get(index, name) != name}


def _only_moved(before: Sequence[SegmentFields], after: Sequence[SegmentFields]) -> list[int]:
    """Returns the places of segments that differ in their speakers, if nothing else differs; else none."""
    pairs = list(zip(before, after, strict=False))
    if len(before) != len(after) or any(a | {"speaker": None} != b | {"speaker": None} for a, b in pairs):
        return []
    return [place for place, (former, latter) in enumerate(pairs) if former != latter]


def _alike(before: Sequence[SegmentFields], after: Sequence[SegmentFields]) -> tuple[int, int]:
    """Returns how many segments are equal at the beginning and at the end."""
    shorter = min(len(before), len(after))
    head = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    rest = shorter - head
    return head, next((i for i in range(rest) if before[-1 - i] != after[-1 - i]), rest)


def _replace_segments(
    row: Transcription, number: int, first: int, former: list[Segment], replacement: list[SegmentFields]
) -> None:
    """Writes the new segments and renumbers the following ones, which get new tags."""
    Segment.objects.filter(pk__in=[segment.pk for segment in former]).delete()
    if moved := len(replacement) - len(former):
        following = row.segments.filter(index__gte=first + len(former))
        following.update(index=F("index") + INDEX_OFFSET, revision=number)
        row.segments.filter(index__gte=INDEX_OFFSET).update(index=F("index") - INDEX_OFFSET + moved)
    common: dict[str, Any] = {"tenant_id": row.tenant_id, "transcription": row, "revision": number}
    Segment.objects.bulk_create(
        [Segment(index=first + i, **common, **fields) for i, fields in enumerate(replacement)], BATCH
    )


def _keep_machine_text(row: Transcription) -> None:
    replacement = [field_values(segment) | {"checks": []} for segment in row.segments.all()]
    names = {str(index): name for index, name in row.speaker_set.values_list("index", "name")}
    MachineText.objects.create(
        tenant_id=row.tenant_id, transcription=row, text=row.text, segments=replacement, names=names
    )


def at_revision(
    row: Transcription, segments: list[SegmentFields], number: int
) -> tuple[list[SegmentFields], dict[int, str]]:
    """Returns the segments and the speakers' names after revision `number`, by undoing the later ones.

    Raises Http404.
    """
    if number == row.revision:
        return segments, {}
    later = list(Revision.objects.filter(transcription=row, number__gt=number))
    if len(later) != row.revision - number:
        if number:
            message = _("There is no revision %(number)d, or it is not kept any more. The newest is %(newest)d.")
            raise NoSuchPart(message % {"number": number, "newest": row.revision})
        machine = MachineText.objects.get(transcription=row)
        return [NOT_CHECKED | fields for fields in machine.segments], machine.speaker_names
    names: dict[int, str] = {}
    for revision in later:
        before = [NOT_CHECKED | fields for fields in revision.before]
        segments = segments[: revision.first] + before + segments[revision.first + revision.added :]
        for index, fields in revision.changed.items():
            segments[int(index)] = NOT_CHECKED | fields
        for index, speaker in revision.speakers.items():
            segments[int(index)] = segments[int(index)] | {"speaker": speaker}
        names |= {int(index): name for index, name in revision.names.items()}
    return segments, names


def _forget_oldest(actor: Actor, row: Transcription) -> None:
    """Deletes the oldest revisions beyond the limits, of which guests have their own: what they write never costs the
    history that members made. The machine's text is always kept. Raises Refused for a guest beyond them.
    """
    kept = Revision.objects.filter(transcription=row)
    if actor.guest is not None:
        theirs = kept.exclude(guest="").aggregate(number=Count("pk"), size=Sum("size"))
        if theirs["number"] > MAX_REVISIONS or theirs["size"] > MAX_KEPT_OF_GUESTS:
            message = _("So much of this text was corrected by links that its history is full. Ask the organisation.")
            raise Refused("history_full", message)
        return
    total = 0
    for count, (number, size) in enumerate(kept.filter(guest="").values_list("number", "size")):
        total += size
        if count and (count >= MAX_REVISIONS or total > MAX_KEPT_CHARACTERS):
            kept.filter(number__lte=number).delete()
            return

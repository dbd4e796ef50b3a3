"""A tenant's terms and those of its folders, and what they replace in a transcript when it is complete.

What is in a folder is written with its terms before the tenant's own. Whoever may correct what is in it may change
them, and only who sees it sees them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor, system_actor
from tenants.models import Tenant
from tenants.shortcuts import first_or_404
from transcription import tenant_lock
from transcription.errors import InvalidOption
from transcription.folders import folders
from transcription.folders.visibility import among, usable
from transcription.models import Folder, Recording, Revision, Transcription
from transcription.models.term import LONGEST, LONGEST_NOTE, MOST_SPELLINGS, Term
from transcription.options import hotwords
from transcription.scripts import one_line
from transcription.transcripts.rewrites import Rewrite
from transcription.transcripts.segment_edits import SegmentEdit
from transcription.transcripts.spellings import SHORTEST, Spellings, folded
from transcription.transcripts.substitution import write_edits
from transcription.transcripts.validation import LONGEST_TEXT

PERMISSION = "transcripts.edit"
MOST_TERMS, MOST_OF_A_FOLDER, MOST_OF_FOLDERS = 10_000, 1000, 50_000
MOST_HOTWORDS = hotwords.ROOM // 4
BATCH = 500
Lists = Mapping[UUID | None, Sequence[tuple[str, Sequence[str]]]]
"""Terms with their spellings, by the id of their folder."""


def visible(actor: Actor, folder: Folder | None = None) -> QuerySet[Term]:
    """Returns the tenant's own terms, or those of a folder that the actor sees, in the order of the alphabet."""
    actor.require("recordings.view")
    return Term.objects.filter(tenant=actor.tenant, folder=folder)


def may_change(actor: Actor, folder: Folder | None) -> bool:
    return among(actor, folder).may(PERMISSION)


def get(actor: Actor, term_id: UUID) -> Term:
    """Raises Http404."""
    actor.require("recordings.view")
    rows = Term.objects.filter(Q(folder=None) | Q(folder__in=usable(actor)), tenant=actor.tenant, id=term_id)
    return first_or_404(rows.select_related("folder"), _("There is no such term."))


def create(
    actor: Actor,
    text: str,
    spellings: Sequence[str] = (),
    note: str = "",
    is_active: bool = True,
    folder: Folder | None = None,
) -> Term:
    """Adds a term of the tenant's, or of a folder.

    Raises InvalidOption, PermissionDenied, Http404 for a folder that is gone, and Refused for a tenant that is being
    deleted.
    """
    actor.require(PERMISSION)
    row = Term(tenant=actor.tenant)
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        row.folder = checked_place(actor, folder)
        check_room(row, "text", visible(actor, row.folder).count(), 1)
        set_fields(row, {"text": text, "spellings": spellings, "note": note, "is_active": is_active})
        _check_unique(row)
        row.save(force_insert=True)
        audit.record(actor, "term.created", row, **where(row.folder))
        note_hotwords(actor.tenant.id, row.folder)
    row.refresh_from_db()
    return row


def change(actor: Actor, term_id: UUID, changes: Mapping[str, Any]) -> Term:
    """Changes the fields that are given. Raises Http404, PermissionDenied and InvalidOption."""
    with _changing(actor, term_id) as row:
        set_fields(row, changes)
        _check_unique(row)
        row.save()
        audit.record(actor, "term.changed", row, **where(row.folder))
    return row


def delete(actor: Actor, term_id: UUID) -> None:
    """Raises Http404 and PermissionDenied. Transcripts in which it was written stay as they are."""
    with _changing(actor, term_id) as row:
        audit.record(actor, "term.deleted", row, **where(row.folder))
        Term.objects.filter(id=row.id).delete()


@contextmanager
def _changing(actor: Actor, term_id: UUID) -> Iterator[Term]:
    """Locks the tenant. Raises Http404 and PermissionDenied."""
    actor.require(PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = get(actor, term_id)
        checked_place(actor, row.folder)
        yield row
        note_hotwords(actor.tenant.id, row.folder)


def checked_place(actor: Actor, folder: Folder | None) -> Folder | None:
    """Returns the folder as it is now. Raises Http404 where it is gone, and PermissionDenied."""
    now = folders.get(actor, folder.id) if folder else None
    among(actor, now).require(PERMISSION)
    return now


def check_room(row: Term, param: str, there: int, new: int) -> None:
    """Raises InvalidOption where the place of a term can't have as many `new` ones beside those that are `there`."""
    most = MOST_OF_A_FOLDER if row.folder else MOST_TERMS
    if there + new > most:
        raise InvalidOption(param, _("There can be at most %(n)d terms here.") % {"n": most})
    of_folders = Term.objects.filter(tenant=row.tenant_id, folder__isnull=False)
    if row.folder and new and of_folders.count() + new > MOST_OF_FOLDERS:
        message = _("The folders of an organisation can have at most %(n)d terms together.")
        raise InvalidOption(param, message % {"n": MOST_OF_FOLDERS})


def where(folder: Folder | None) -> dict[str, str]:
    """Returns what the audit log says of a term's place: no name, and no number of terms."""
    return {"folder": str(folder.id)} if folder else {}


def note_hotwords(tenant_id: UUID, folder: Folder | None = None) -> None:
    """Notes on the tenant, or the folder, which terms are the first to be heard: requests need not look for them.

    Those that were heard wrong, as their spellings say, come before others, and new ones before old ones. Call in the
    transaction that changes terms.
    """
    active = Term.objects.filter(tenant=tenant_id, folder=folder, is_active=True).order_by("-created_at", "folded")
    heard_wrong, others = active.exclude(spellings=[]), active.filter(spellings=[])
    texts = [text for rows in (heard_wrong, others) for text in rows.values_list("text", flat=True)[:MOST_HOTWORDS]]
    kept = hotwords.fitting(*texts)
    if folder is not None:
        Folder.objects.filter(id=folder.id).update(term_hotwords=kept)
    else:
        Tenant.objects.filter(id=tenant_id).update(term_hotwords=kept)


class Correction:
    """What active terms replace in the transcripts of a folder, or of none: the folder's before the tenant's.

    `prepare` is slow, `write` is for a transaction. `tag` tells whether they are the same as those of another one.
    """

    action: ClassVar[str] = Revision.Action.TERMS

    def __init__(self, lists: Lists, folder_id: UUID | None) -> None:
        self.folder_id = folder_id
        self._lists = lists
        self._within: dict[UUID | None, Correction] = {}
        self._spellings = Spellings.of(lists.get(None, ()), lists.get(folder_id, ()) if folder_id else ())
        self._replaces = any(self._spellings.terms.values())
        self._replaced: dict[str, str] = {}

    @classmethod
    def of(cls, tenant_id: UUID, folder_id: UUID | None) -> Correction:
        return cls(_active(tenant_id, Q(folder=None) | Q(folder=folder_id)), folder_id)

    @classmethod
    def in_sight(cls, actor: Actor) -> Correction:
        """Returns what is replaced where the actor may correct; `within` says in which folder."""
        return cls(_active(actor.tenant.id, Q(folder=None) | Q(folder__in=usable(actor, PERMISSION))), None)

    @property
    def tag(self) -> str:
        rows = [[str(folder), list(terms)] for folder, terms in self._lists.items()]
        return sha256(json.dumps(rows).encode()).hexdigest()[:16]

    def within(self, folder_id: UUID | None) -> Correction:
        if folder_id not in self._lists or folder_id == self.folder_id:
            return self
        if folder_id not in self._within:
            self._within[folder_id] = Correction(self._lists, folder_id)
        return self._within[folder_id]

    def prepare(self, texts: Iterable[str]) -> None:
        """Finds what becomes of the texts of segments."""
        if self._replaces:
            for text in texts:
                self._of(text.strip())

    def write(self, row: Transcription) -> None:
        """Replaces it in a transcript that is completed in the same transaction, as one revision.

        Of a recording that was moved since `prepare` the terms of its folder now are replaced.
        """
        folder_id = Recording.objects.values_list("folder", flat=True).get(id=row.recording_id)
        if folder_id != self.folder_id:
            Correction.of(row.tenant_id, folder_id).write(row)
            return
        if not self._replaces:
            return
        edits: dict[int, SegmentEdit] = {}
        for segment in row.segments.only("transcription", "index", "start", "end", "text").iterator():
            text = segment.text.strip()
            if (replaced := self._of(text)) != text:
                edits[segment.index] = SegmentEdit(segment.start, segment.end, replaced)
        if edits:
            write_edits(system_actor(row.tenant), row, edits, self.action)

    def may_match(self, _text: str) -> bool:
        return self._replaces

    def rewrites(self, text: str) -> Iterator[Rewrite]:
        return (one for one in self._spellings.rewrites(text) if one.text != text[one.start : one.end])

    def _of(self, text: str) -> str:
        if text not in self._replaced:
            replaced = self._spellings.replaced(text)
            self._replaced[text] = replaced if len(replaced) <= LONGEST_TEXT else text  # a loop of short spellings
        return self._replaced[text]


def _active(tenant_id: UUID, places: Q) -> Lists:
    found = dict[UUID | None, list[tuple[str, Sequence[str]]]]()
    rows = Term.objects.filter(places, tenant=tenant_id, is_active=True).order_by("folder", "folded")
    for folder, text, spellings in rows.values_list("folder", "text", "spellings"):
        found.setdefault(folder, []).append((text, spellings))
    return found


def correction(actor: Actor, tag: str) -> Correction:
    """Returns what the terms replace. Raises InvalidOption if that is not what somebody has seen, by its tag."""
    found = Correction.in_sight(actor)
    if tag != found.tag:
        raise InvalidOption("terms", _("The terms were changed meanwhile. Look again at what they would replace."))
    return found


def set_fields(row: Term, changes: Mapping[str, Any]) -> None:
    """Raises InvalidOption for a field that is too long or too short."""
    if "text" in changes:
        row.text = _checked("text", changes["text"], LONGEST)
        row.folded = folded(row.text)
    if "spellings" in changes:
        row.spellings = _checked_spellings(changes["spellings"])
    row.spellings = [spelling for spelling in row.spellings if spelling != row.text]
    row.note = _checked("note", changes["note"], LONGEST_NOTE, 0) if "note" in changes else row.note
    row.is_active = changes.get("is_active", row.is_active)


def taken(spelling: str, term: str) -> str:
    """Returns why a spelling can't be another term's, too."""
    return _("“%(spelling)s” is a spelling of the term “%(term)s”.") % {"spelling": spelling, "term": term}


def _check_unique(row: Term) -> None:
    """Raises InvalidOption where another term of its place is the same, or replaces the same spelling."""
    own = {folded(spelling) for spelling in row.spellings}
    others = Term.objects.filter(tenant=row.tenant_id, folder=row.folder).exclude(id=row.id)
    for text, other, spellings in others.values_list("text", "folded", "spellings"):
        if other == row.folded:
            raise InvalidOption("text", _("There is such a term: “%(term)s”.") % {"term": text})
        for spelling in spellings:
            if folded(spelling) in own or folded(spelling) == row.folded:
                param = "text" if folded(spelling) == row.folded else "spellings"
                raise InvalidOption(param, taken(spelling, text))
        if other in own:
            raise InvalidOption("spellings", taken(text, text))


def _checked_spellings(sent: Sequence[str]) -> list[str]:
    if len(sent) > MOST_SPELLINGS:
        raise InvalidOption("spellings", _("A term can have at most %(n)d spellings.") % {"n": MOST_SPELLINGS})
    checked = [_checked("spellings", spelling, LONGEST) for spelling in sent]
    return list({folded(spelling): spelling for spelling in checked}.values())


def _checked(name: str, sent: str, longest: int, shortest: int = SHORTEST) -> str:
    text = one_line(sent)
    if not shortest <= len(text) <= longest:
        message = _("“%(name)s” must have from %(least)d to %(most)d characters.")
        raise InvalidOption(name, message % {"name": name, "least": shortest, "most": longest})
    return text

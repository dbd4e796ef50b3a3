"""A tenant's terms, and what they replace in a transcript when it is complete."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor, system_actor
from tenants.models import Tenant
from transcription import tenant_lock
from transcription.errors import InvalidOption
from transcription.models import Revision, Transcription
from transcription.models.term import LONGEST, LONGEST_NOTE, MOST_SPELLINGS, Term
from transcription.options import hotwords
from transcription.scripts import one_line
from transcription.transcripts.rewrites import Rewrite
from transcription.transcripts.segment_edits import SegmentEdit
from transcription.transcripts.spellings import SHORTEST, Spellings, folded
from transcription.transcripts.substitution import write_edits
from transcription.transcripts.validation import LONGEST_TEXT

PERMISSION = "transcripts.edit"
MOST_TERMS = 10_000
LONGEST_HOTWORDS = 600  # characters: the 111 tokens of the prompt that hotwords have, in most languages
MOST_HOTWORDS = LONGEST_HOTWORDS // 4
BATCH = 500


def visible(actor: Actor) -> QuerySet[Term]:
    """Returns the tenant's terms, in the order of the alphabet."""
    actor.require("recordings.view")
    return Term.objects.filter(tenant=actor.tenant)


def get(actor: Actor, term_id: UUID) -> Term:
    """Raises Http404."""
    found = visible(actor).filter(id=term_id).first()
    if found is None:
        raise Http404(_("There is no such term."))
    return found


def create(actor: Actor, text: str, spellings: Sequence[str] = (), note: str = "", is_active: bool = True) -> Term:
    """Raises InvalidOption, and Refused for a tenant that is being deleted."""
    actor.require(PERMISSION)
    row = Term(tenant=actor.tenant)
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        if Term.objects.filter(tenant=actor.tenant).count() >= MOST_TERMS:
            raise InvalidOption("text", _("There are %(n)d terms, which is the most.") % {"n": MOST_TERMS})
        set_fields(row, {"text": text, "spellings": spellings, "note": note, "is_active": is_active})
        _check_unique(row)
        row.save(force_insert=True)
        audit.record(actor, "term.created", row)
        note_hotwords(actor.tenant.id)
    row.refresh_from_db()
    return row


def change(actor: Actor, term_id: UUID, changes: Mapping[str, Any]) -> Term:
    """Changes the fields that are given. Raises Http404 and InvalidOption."""
    actor.require(PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = get(actor, term_id)
        set_fields(row, changes)
        _check_unique(row)
        row.save()
        audit.record(actor, "term.changed", row)
        note_hotwords(actor.tenant.id)
    return row


def delete(actor: Actor, term_id: UUID) -> None:
    """Raises Http404. Transcripts in which it was written stay as they are."""
    actor.require(PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = get(actor, term_id)
        audit.record(actor, "term.deleted", row)
        row.delete()
        note_hotwords(actor.tenant.id)


def note_hotwords(tenant_id: UUID) -> None:
    """Notes on the tenant which terms are the first to be heard, so that requests need not look for them.

    Those that were heard wrong, as their spellings say, come before others, and new ones before old ones. Call in the
    transaction that changes terms.
    """
    active = Term.objects.filter(tenant=tenant_id, is_active=True).order_by("-created_at", "folded")
    heard_wrong, others = active.exclude(spellings=[]), active.filter(spellings=[])
    texts = [text for rows in (heard_wrong, others) for text in rows.values_list("text", flat=True)[:MOST_HOTWORDS]]
    room, kept = LONGEST_HOTWORDS, list[str]()
    for text in hotwords.terms("\n".join(texts)):
        if (room := room - len(text) - 2) < 0:
            break
        kept.append(text)
    Tenant.objects.filter(id=tenant_id).update(term_hotwords=", ".join(kept))


class Correction:
    """What a tenant's active terms replace in transcripts. `prepare` is slow, `write` is for a transaction.

    `tag` tells whether they are the same as those of another one.
    """

    action: ClassVar[str] = Revision.Action.TERMS

    def __init__(self, tenant_id: UUID) -> None:
        rows = list(Term.objects.filter(tenant=tenant_id, is_active=True).values_list("text", "spellings"))
        self.tag = sha256(json.dumps(rows).encode()).hexdigest()[:16]
        self._spellings = Spellings.of(rows)
        self._replaces = any(self._spellings.terms.values())
        self._replaced: dict[str, str] = {}

    def prepare(self, texts: Iterable[str]) -> None:
        """Finds what becomes of the texts of segments."""
        if self._replaces:
            for text in texts:
                self._of(text.strip())

    def write(self, row: Transcription) -> None:
        """Replaces it in a transcript that is completed in the same transaction, as one revision."""
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


def correction(tenant_id: UUID, tag: str) -> Correction:
    """Returns what the terms replace. Raises InvalidOption if that is not what somebody has seen, by its tag."""
    found = Correction(tenant_id)
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
    """Raises InvalidOption where another term of the tenant is the same, or replaces the same spelling."""
    own = {folded(spelling) for spelling in row.spellings}
    others = Term.objects.filter(tenant=row.tenant_id).exclude(id=row.id).values_list("text", "folded", "spellings")
    for text, other, spellings in others:
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

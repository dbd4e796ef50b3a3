"""A correction of some words that becomes a term of the organisation, so that new transcripts have it, too."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from tenants.access import Actor
from transcription import tenant_lock
from transcription.models.term import LONGEST, MOST_SPELLINGS, Term
from transcription.transcripts import terms
from transcription.transcripts.spellings import SHORTEST, folded


class Learned(NamedTuple):
    """The term that has the spelling now, and whether it was added for that."""

    term: Term
    is_new: bool


def offer(actor: Actor, wrong: str, right: str) -> str:
    """Returns what adding the correction to the terms would do; nothing where the actor may not, or it can't be."""
    fits = all(SHORTEST <= len(text) <= LONGEST for text in (wrong, right))
    if not actor.may(terms.PERMISSION) or not fits or folded(wrong) == folded(right):
        return ""
    rows = list(terms.visible(actor))
    term = next((row for row in rows if row.folded == folded(right)), None)
    owned = any(folded(wrong) in (row.folded, *map(folded, row.spellings)) for row in rows)
    said_elsewhere = any(folded(right) in map(folded, row.spellings) for row in rows)
    full = len(rows) >= terms.MOST_TERMS if term is None else len(term.spellings) >= MOST_SPELLINGS
    if owned or said_elsewhere or full or (term is not None and not term.is_active):
        return ""
    names = {"wrong": wrong, "right": right if term is None else term.text}
    return _("New transcripts of the whole organisation: “%(right)s” wherever “%(wrong)s” is heard, as a word.") % names


def learn(actor: Actor, wrong: str, right: str) -> Learned:
    """Makes `wrong` a spelling of the term `right`, which is added where there is none.

    Raises InvalidOption where it is another term's spelling, and Refused for a tenant that is being deleted.
    """
    actor.require(terms.PERMISSION)
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        row = terms.visible(actor).filter(folded=folded(right)).first()
        if row is None:
            return Learned(terms.create(actor, right, [wrong]), is_new=True)
        return Learned(terms.change(actor, row.id, {"spellings": [*row.spellings, wrong]}), is_new=False)


def forget(actor: Actor, term_id: UUID, wrong: str, is_new: bool) -> None:
    """Undoes `learn`: takes the spelling away, and the term where it was new and nobody has changed it since.

    Raises Http404 and InvalidOption.
    """
    actor.require(terms.PERMISSION)
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = terms.get(actor, term_id)
        left = [spelling for spelling in row.spellings if folded(spelling) != folded(wrong)]
        if is_new and not left and not row.note:
            terms.delete(actor, term_id)
        else:
            terms.change(actor, term_id, {"spellings": left})

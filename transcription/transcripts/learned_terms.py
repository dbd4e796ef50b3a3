"""A correction of some words that becomes a term of its folder or of the organisation: new transcripts have it, too."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from tenants.access import Actor
from transcription import tenant_lock
from transcription.folders import folders
from transcription.models import Folder
from transcription.models.term import LONGEST, MOST_SPELLINGS, Term
from transcription.transcripts import terms
from transcription.transcripts.spellings import SHORTEST, folded


class Learned(NamedTuple):
    """The term that has the spelling now, and whether it was added for that."""

    term: Term
    is_new: bool


def offer(actor: Actor, wrong: str, right: str, folder: Folder | None = None) -> str:
    """Returns what adding the correction to the tenant's terms, or a folder's, would do.

    Nothing where the actor may not, or it can't be.
    """
    fits = all(SHORTEST <= len(text) <= LONGEST for text in (wrong, right))
    if not terms.may_change(actor, folder) or not fits or folded(wrong) == folded(right):
        return ""
    rows = list(terms.visible(actor, folder))
    term = next((row for row in rows if row.folded == folded(right)), None)
    owned = any(folded(wrong) in (row.folded, *map(folded, row.spellings)) for row in rows)
    said_elsewhere = any(folded(right) in map(folded, row.spellings) for row in rows)
    most = terms.MOST_OF_A_FOLDER if folder else terms.MOST_TERMS
    full = len(rows) >= most if term is None else len(term.spellings) >= MOST_SPELLINGS
    if owned or said_elsewhere or full or (term is not None and not term.is_active):
        return ""
    names = {"wrong": wrong, "right": right if term is None else term.text}
    if folder is not None:
        message = _("New transcripts in “%(folder)s”: “%(right)s” wherever “%(wrong)s” is heard, as a word.")
        return message % (names | {"folder": folders.label(actor, folder)})
    return _("New transcripts of the whole organisation: “%(right)s” wherever “%(wrong)s” is heard, as a word.") % names


def learn(actor: Actor, wrong: str, right: str, folder: Folder | None = None) -> Learned:
    """Makes `wrong` a spelling of the tenant's or the folder's term `right`, which is added where there is none.

    Raises InvalidOption where it is another term's spelling, PermissionDenied, Http404 for a folder that is gone, and
    Refused for a tenant that is being deleted.
    """
    actor.require(terms.PERMISSION)
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        row = terms.visible(actor, folder).filter(folded=folded(right)).first()
        if row is None:
            return Learned(terms.create(actor, right, [wrong], folder=folder), is_new=True)
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

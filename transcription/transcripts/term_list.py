"""Terms as a CSV file: `text`, `note`, `active`, and a spelling in each column after these."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from django.db import transaction
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import Actor
from tenants.formulas import without_guards
from transcription import tenant_lock
from transcription.errors import InvalidOption
from transcription.folders.visibility import among
from transcription.models import Folder
from transcription.models.term import Term
from transcription.transcripts import terms
from transcription.transcripts.spellings import folded

COLUMNS = ("text", "note", "active", "spellings")
MOST_BYTES = 1_500_000
MOST_ERRORS = 10
NO = ("no", "false", "0", "off")
Line = tuple[int, Term]


def import_terms(actor: Actor, text: str, folder: Folder | None = None) -> tuple[int, int]:
    """Adds the terms of a CSV file to the tenant's or a folder's, and changes those that are there; all or none.

    Returns how many were added and how many changed. Raises InvalidOption, which names the lines at fault,
    PermissionDenied, Http404 for a folder that is gone, and Refused for a tenant that is being deleted.
    """
    actor.require(terms.PERMISSION)
    among(actor, folder).require(terms.PERMISSION)
    sent = list(_lines(Term(tenant=actor.tenant, folder=folder), text))
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        folder = terms.checked_place(actor, folder)
        rows = {row.folded: row for row in terms.visible(actor, folder)}
        known = {key: row.id for key, row in rows.items()}
        for _number, row in sent:
            row.id = known.get(row.folded, row.id)
        rows |= {row.folded: row for _number, row in sent}
        terms.check_room(sent[0][1], "file", len(known), len(rows) - len(known))
        _raise_for(_conflicts(rows, sent))
        added = [row for _number, row in sent if row.folded not in known]
        changed = [row for _number, row in sent if row.folded in known]
        Term.objects.bulk_create(added, terms.BATCH)
        Term.objects.bulk_update(changed, ["text", "spellings", "note", "is_active"], terms.BATCH)
        terms.note_hotwords(actor.tenant.id, folder)
        numbers = {} if folder else {"added": len(added), "changed": len(changed)}
        audit.record(actor, "term.imported", actor.tenant, **numbers, **terms.where(folder))
    return len(added), len(changed)


def _lines(empty: Term, text: str) -> Iterator[Line]:
    """Yields a line's number and its term, like the empty one, which is not saved. Raises InvalidOption."""
    errors, seen = list[str](), set[str]()
    found = list[Line]()
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    try:
        for cells in reader:
            cells = [without_guards(cell.strip()) for cell in cells]
            is_head = not found and not errors and [cell.lower() for cell in cells[:3]] == list(COLUMNS[:3])
            if is_head or not any(cells):
                continue
            term, error = _term(empty, cells)
            if term is not None and term.folded in seen:
                error = _("“%(term)s” stands there twice.") % {"term": term.text}
            if error or term is None:
                errors.append(_at(reader.line_num, error))
                continue
            seen.add(term.folded)
            found.append((reader.line_num, term))
    except csv.Error as error:
        errors.append(_at(reader.line_num, str(error)))
    _raise_for(errors)
    if not found:
        raise InvalidOption("file", _("There are no terms in it."))
    yield from found


def _term(empty: Term, cells: list[str]) -> tuple[Term | None, str]:
    text, note, active, *spellings = [*cells, "", ""] if len(cells) < len(COLUMNS) else cells
    wanted = {"text": text, "note": note, "spellings": [one for one in spellings if one]}
    row = Term(tenant=empty.tenant, folder=empty.folder, is_active=active.lower() not in NO)
    try:
        terms.set_fields(row, wanted)
    except InvalidOption as error:
        return None, str(error)
    return row, ""


def _conflicts(rows: dict[str, Term], sent: Iterable[Line]) -> Iterator[str]:
    """Yields what is wrong with lines of which a spelling belongs to another term."""
    owners: dict[str, list[Term]] = {key: [row] for key, row in rows.items()}
    for row in rows.values():
        for spelling in row.spellings:
            owners.setdefault(folded(spelling), []).append(row)
    for number, row in sent:
        for spelling in (row.text, *row.spellings):
            other = next((one for one in owners[folded(spelling)] if one.folded != row.folded), None)
            if other is not None:
                yield _at(number, terms.taken(spelling, other.text))


def _raise_for(errors: Iterable[str]) -> None:
    found = list(errors)
    if found:
        more = [_("and %(n)d more") % {"n": len(found) - MOST_ERRORS}] if len(found) > MOST_ERRORS else []
        raise InvalidOption("file", " ".join([*found[:MOST_ERRORS], *more]))


def _at(line: int, error: str) -> str:
    return _("Line %(line)d: %(error)s") % {"line": line, "error": error}

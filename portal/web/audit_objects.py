"""What entries of the audit log name: recordings and folders by their names, as far as the reader sees them.

The log keeps ids alone. Names are looked up when it is shown, so those of what is gone, or of what somebody does not
see, are shown to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from portal.web.audit_words import details_in_words, object_in_words
from tenants.access import Actor
from tenants.models import AuditEntry
from transcription.folders import visibility
from transcription.models import Recording, Transcription

OF_FOLDERS = ("folder", "from", "to")
"""Details that are ids of folders."""


@dataclass(frozen=True)
class Named:
    """A recording or folder that the reader sees. `url`: the name of its page; none for what is in the bin."""

    id: UUID
    name: str
    url: str = ""


@dataclass(frozen=True)
class Row:
    """An entry as the page shows it. `about`: the recording or folder that it tells of, if the reader sees it."""

    entry: AuditEntry
    kind: str
    about: Named | None = None
    details: list[tuple[str, str]] = field(default_factory=list)


def rows(actor: Actor, entries: Sequence[AuditEntry]) -> list[Row]:
    """Returns the entries with the names of what they tell of, by three queries however many there are."""
    recordings_by_text = _texts(actor, (one.object_id for one in entries if one.object_type == "transcription"))
    wanted = {one.pk: _recording_of(one) or recordings_by_text.get(_uuid(one.object_id)) for one in entries}
    known = _recordings(actor, wanted.values())
    folders = _folders(actor, entries)
    return [_row(one, known.get(wanted[one.pk]), folders) for one in entries]


def _row(entry: AuditEntry, recording: Named | None, folders: dict[UUID | None, Named]) -> Row:
    details = dict(entry.details)
    if recording is not None:
        details.pop("recording", None)
    for name in OF_FOLDERS:
        if (folder := folders.get(_uuid(details.get(name)))) is not None:
            details[name] = folder.name
    about = recording or (folders.get(_uuid(entry.object_id)) if entry.object_type == "folder" else None)
    return Row(entry, object_in_words(entry.object_type), about, details_in_words(details))


def _recording_of(entry: AuditEntry) -> UUID | None:
    return _uuid(entry.object_id if entry.object_type == "recording" else entry.details.get("recording"))


def _texts(actor: Actor, ids: Iterable[str]) -> dict[UUID | None, UUID]:
    """Returns the recordings of transcriptions."""
    texts = Transcription.objects.filter(tenant=actor.tenant, id__in=filter(None, map(_uuid, ids)))
    return dict(texts.values_list("id", "recording_id"))


def _recordings(actor: Actor, ids: Iterable[UUID | None]) -> dict[UUID | None, Named]:
    found = Recording.objects.filter(visibility.seen(actor), tenant=actor.tenant, id__in=set(filter(None, ids)))
    there = found.values_list("id", "name", "deleted_at")
    return {id: Named(id, name, "" if deleted_at else "web:recording") for id, name, deleted_at in there}


def _folders(actor: Actor, entries: Sequence[AuditEntry]) -> dict[UUID | None, Named]:
    ids = {_uuid(one.object_id) for one in entries if one.object_type == "folder"}
    ids |= {_uuid(one.details.get(name)) for one in entries for name in OF_FOLDERS}
    found = visibility.usable(actor).filter(id__in=filter(None, ids))
    return {one.id: Named(one.id, one.name, "web:folder") for one in found}


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text)) if text else None
    except ValueError:
        return None

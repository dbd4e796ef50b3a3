"""The folders that an API key is limited to; transcription.folders.visibility holds it to them."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _

from tenants.access import Actor
from tenants.models import ApiKey
from transcription.errors import InvalidOption
from transcription.folders.folders import visible
from transcription.models import Folder
from transcription.models.folder import LONGEST_FOLDER
from transcription.models.tag import folded_name
from transcription.scripts import one_line

PARAM = "folders"


def chosen(actor: Actor, texts: Collection[str] | None, key: ApiKey | None = None) -> list[str]:
    """Returns the ids of folders that are named by id or name, or by their `lines`; without texts it is none: all.

    Raises InvalidOption for a folder that no key sees, unless this key is limited to it already, and for an empty list:
    who takes the last folder away doesn't mean all of them.
    """
    if texts is None:
        return []
    if not texts:
        raise InvalidOption(PARAM, _("Name a folder. Without any the key would see all but private ones."))
    kept = dict(zip(lines(key), key.folders, strict=True)) if key else {}
    kept |= {folder_id: folder_id for folder_id in kept.values()}
    return [kept.get(text) or str(_chosen(actor, one_line(text)).id) for text in texts]


def lines(key: ApiKey) -> list[str]:
    """Returns how the folders of a key are called; one that is gone by its id, since the key is still limited to it."""
    known = _names(key)
    return [known.get(folder_id, folder_id) for folder_id in key.folders]


def names(key: ApiKey) -> list[str]:
    """Returns the same for people to read."""
    known = _names(key)
    return [
        known.get(folder_id) or _("a folder that is gone (%(id)s)") % {"id": folder_id} for folder_id in key.folders
    ]


def _names(key: ApiKey) -> dict[str, str]:
    rows = Folder.objects.filter(tenant=key.tenant_id, id__in=key.folders)
    return {str(row.id): row.name for row in rows}


def _chosen(actor: Actor, text: str) -> Folder:
    try:
        is_meant = Q(id=UUID(text))
    except ValueError:
        is_meant = Q(folded=folded_name(text))
    found = visible(actor).filter(is_meant, is_private=False).first()
    if found is None:
        raise InvalidOption(PARAM, _("There is no folder “%(name)s”.") % {"name": text[:LONGEST_FOLDER]})
    return found

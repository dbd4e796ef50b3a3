"""The folders that an API key is limited to; transcription.folders.visibility holds it to them."""

from __future__ import annotations

from collections.abc import Iterable
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


def chosen(actor: Actor, texts: Iterable[str]) -> list[str]:
    """Returns the ids of folders that are named by id or name. Raises InvalidOption for one that no key sees."""
    return [str(_chosen(actor, one_line(text)).id) for text in texts]


def names(key: ApiKey) -> list[str]:
    """Returns how the folders of a key are called; one that is gone by its id, since the key is still limited to it."""
    known = {str(row.id): row.name for row in Folder.objects.filter(tenant=key.tenant_id, id__in=key.folders)}
    return [known.get(folder_id, folder_id) for folder_id in key.folders]


def _chosen(actor: Actor, text: str) -> Folder:
    try:
        is_meant = Q(id=UUID(text))
    except ValueError:
        is_meant = Q(folded=folded_name(text))
    found = visible(actor).filter(is_meant, is_private=False).first()
    if found is None:
        raise InvalidOption(PARAM, _("There is no folder “%(name)s”.") % {"name": text[:LONGEST_FOLDER]})
    return found

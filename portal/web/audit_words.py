"""What entries of the audit log are about, and their details, in the reader's language."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import is_naive, localtime
from django.utils.translation import gettext as _
from django.utils.translation import pgettext, pgettext_lazy

FACTS: dict[str, Promise] = {
    "audio": pgettext_lazy("audit", "audio"),
    "before": pgettext_lazy("audit", "before"),
    "by": pgettext_lazy("audit", "by"),
    "bytes": pgettext_lazy("audit", "bytes"),
    "email": pgettext_lazy("audit", "email"),
    "comments": pgettext_lazy("audit", "comments"),
    "ended": pgettext_lazy("audit", "ended"),
    "events": pgettext_lazy("audit", "events"),
    "excerpt": pgettext_lazy("audit", "excerpt"),
    "expires_at": pgettext_lazy("audit", "expires"),
    "fields": pgettext_lazy("audit", "fields"),
    "folder": pgettext_lazy("audit", "folder"),
    "format": pgettext_lazy("audit", "format"),
    "hits": pgettext_lazy("audit", "hits"),
    "how": pgettext_lazy("audit", "how"),
    "invited_by": pgettext_lazy("audit", "invited by"),
    "kind": pgettext_lazy("audit", "kind"),
    "label": pgettext_lazy("audit", "label"),
    "left": pgettext_lazy("audit", "left"),
    "level": pgettext_lazy("audit", "level"),
    "member": pgettext_lazy("audit", "member"),
    "model": pgettext_lazy("audit", "model"),
    "most_openings": pgettext_lazy("audit", "openings at most"),
    "name": pgettext_lazy("audit", "name"),
    "origins": pgettext_lazy("audit", "sites that embed it"),
    "plan": pgettext_lazy("audit", "plan"),
    "protected": pgettext_lazy("audit", "with a password"),
    "reason": pgettext_lazy("audit", "reason"),
    "recognises_voices": pgettext_lazy("audit", "names members by their voices"),
    "recording": pgettext_lazy("audit", "recording"),
    "recordings": pgettext_lazy("audit", "recordings"),
    "restricted": pgettext_lazy("audit", "restricted"),
    "reused": pgettext_lazy("audit", "known text reused"),
    "revision": pgettext_lazy("audit", "revision"),
    "role": pgettext_lazy("audit", "role"),
    "scope": pgettext_lazy("audit", "scope"),
    "seconds": pgettext_lazy("audit", "seconds"),
    "series": pgettext_lazy("audit", "series"),
    "source": pgettext_lazy("audit", "source"),
    "spans": pgettext_lazy("audit", "spans"),
    "texts": pgettext_lazy("audit", "texts"),
    "transcriptions": pgettext_lazy("audit", "transcriptions"),
    "until": pgettext_lazy("audit", "until"),
    "visitor": pgettext_lazy("audit", "visitor"),
    "was": pgettext_lazy("audit", "was"),
    "with_download": pgettext_lazy("audit", "with downloads"),
    "with_sound": pgettext_lazy("audit", "with the sound"),
}
WORDS: dict[str, Promise] = {
    "admin": pgettext_lazy("audit", "admin"),
    "answer": pgettext_lazy("audit", "answer"),
    "command": pgettext_lazy("audit", "command"),
    "comment": pgettext_lazy("audit", "comment"),
    "correction": pgettext_lazy("audit", "correction"),
    "edit": pgettext_lazy("audit", "edit"),
    "editor": pgettext_lazy("audit", "editor"),
    "history": pgettext_lazy("audit", "history"),
    "mail": pgettext_lazy("audit", "mail"),
    "operator": pgettext_lazy("audit", "operator"),
    "owner": pgettext_lazy("audit", "owner"),
    "page": pgettext_lazy("audit", "page"),
    "provider": pgettext_lazy("audit", "provider"),
    "read": pgettext_lazy("audit", "read"),
    "revisions": pgettext_lazy("audit", "revisions"),
    "socket": pgettext_lazy("audit", "socket"),
    "view": pgettext_lazy("audit", "view"),
    "viewer": pgettext_lazy("audit", "viewer"),
    "write": pgettext_lazy("audit", "write"),
}
OF_WORDS = ("by", "how", "level", "role", "scope")
"""Details whose values are WORDS; those of others may be what people wrote."""

MOMENTS = ("expires_at", "until")
COUNTED = ("transcriptions",)
SAID_IF_TRUE = ("protected", "with_download", "reused", "private", "more")
"""Details that say nothing where they are false."""


@lru_cache(maxsize=1)
def _objects() -> dict[str, Any]:
    names: dict[str, Any] = {str(model._meta.model_name): model._meta.verbose_name for model in apps.get_models()}
    return names | {"tenant": pgettext_lazy("audit", "organisation")}


def object_in_words(object_type: str) -> str:
    return str(_objects().get(object_type, object_type))


def details_in_words(details: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns the name and value of each detail that isn't empty."""
    said = {name: value for name, value in details.items() if value not in (None, "", []) and _tells(name, value)}
    return [(str(FACTS.get(name, name)), _value(name, value)) for name, value in said.items()]


def _tells(name: str, value: object) -> bool:
    return value is not False or name not in SAID_IF_TRUE


def _value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if name in OF_WORDS and isinstance(value, str):
        return str(WORDS.get(value, value))
    if name in MOMENTS and isinstance(value, str) and (moment := _moment(value)) is not None:
        return date_format(localtime(moment), pgettext("date format", "j M Y, H:i"))
    if isinstance(value, list):
        return str(len(value)) if name in COUNTED else ", ".join(map(str, value))
    return str(value)


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return None if moment is None or is_naive(moment) else moment

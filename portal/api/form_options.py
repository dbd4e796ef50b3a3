"""The transcription options among the fields of a form or of `Upload-Metadata`, the same way for every API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from portal.api import ignored
from portal.http.form_data import list_name
from portal.http.uploads import Upload
from transcription.options.options import OPTIONS


def sent_options(upload: Upload) -> dict[str, Any]:
    """Returns every option by name, as it was sent: a text, or a list of them; empty where it was not sent."""
    return {name: upload.every(name) if option.is_list else upload.field(name) for name, option in OPTIONS.items()}


def ignored_headers(names: Iterable[str], *known: str) -> dict[str, str]:
    """Returns the header that names the fields that are neither options nor `known`."""
    return ignored.headers_of(name for name in names if name not in known and not _is_option(name))


def _is_option(name: str) -> bool:
    return name in OPTIONS or (list_name(name) in OPTIONS and OPTIONS[list_name(name)].is_list)

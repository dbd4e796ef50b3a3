"""The transcription options of a form."""

from __future__ import annotations

from collections.abc import Iterable

from portal.api import ignored
from portal.api.form_options import sent_options
from portal.http.form_data import list_name
from portal.http.uploads import Upload
from transcription.options.options import OPTIONS, TranscriptionOptions


def of_form(upload: Upload) -> TranscriptionOptions:
    """Raises InvalidOption. `ignored_headers` names fields that are no options."""
    return TranscriptionOptions.from_fields(sent_options(upload))


def ignored_headers(names: Iterable[str], *known: str) -> dict[str, str]:
    """Returns the header that names what, in a form or in `Upload-Metadata`, is neither an option nor `known`."""
    return ignored.headers_of(name for name in names if name not in known and not _is_option(name))


def _is_option(name: str) -> bool:
    return name in OPTIONS or (list_name(name) in OPTIONS and OPTIONS[list_name(name)].is_list)

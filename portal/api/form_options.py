"""The transcription options among a form's fields, the same way for every API."""

from __future__ import annotations

from typing import Any

from portal.http.uploads import Upload
from transcription.options.options import OPTIONS


def sent_options(upload: Upload) -> dict[str, Any]:
    """Returns every option by name, as it was sent: a text, or a list of them; empty where it was not sent."""
    return {name: upload.every(name) if option.is_list else upload.field(name) for name, option in OPTIONS.items()}

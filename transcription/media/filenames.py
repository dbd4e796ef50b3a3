"""Names of files as people see them: whoever sends one chooses it."""

from __future__ import annotations

import unicodedata

from django.utils.translation import gettext as _

LONGEST_NAME = 255


def clean_name(file_name: str) -> str:
    """What people see of an uploaded file's name: no folders, no control characters, at most 255 characters."""
    base = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(c for c in unicodedata.normalize("NFC", base) if unicodedata.category(c)[0] != "C").strip()
    return plain[-LONGEST_NAME:] or _("Untitled recording")

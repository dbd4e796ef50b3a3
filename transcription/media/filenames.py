"""Cleans the names of uploaded files."""

from __future__ import annotations

import unicodedata

from django.utils.translation import gettext as _

LONGEST_NAME = 255


def clean_name(file_name: str) -> str:
    """Returns a name without folders and control characters, of at most 255 characters."""
    base = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(c for c in unicodedata.normalize("NFC", base) if unicodedata.category(c)[0] != "C").strip()
    return plain[-LONGEST_NAME:] or _("Untitled recording")

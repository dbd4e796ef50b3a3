"""Cleans the names of uploaded files."""

from __future__ import annotations

import re
import unicodedata

from django.utils.translation import gettext as _

LONGEST_NAME = 255
EXTENSION = re.compile(r"\.(?=\w*[a-z])\w{2,5}$", re.IGNORECASE | re.ASCII)
EXTENSIONS = {"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "mkv"}
"""By ffmpeg's name of the container, where it has several."""


def clean_name(file_name: str) -> str:
    """Returns a name without folders and control characters, of at most 255 characters."""
    base = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(c for c in unicodedata.normalize("NFC", base) if unicodedata.category(c)[0] != "C").strip()
    return plain[-LONGEST_NAME:] or _("Untitled recording")


def without_extension(name: str) -> str:
    """Returns the name without its extension; a number behind a dot, as in “Board 30.11”, is none."""
    return EXTENSION.sub("", name)


def file_name(name: str, container: str) -> str:
    """Returns the name with an extension, if it lacks one: by ffmpeg's name of its container."""
    extension = EXTENSIONS.get(container, container.partition(",")[0])
    return (
        name if EXTENSION.search(name) or not extension else f"{name[: LONGEST_NAME - len(extension) - 1]}.{extension}"
    )

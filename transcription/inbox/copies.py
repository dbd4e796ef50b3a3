"""Copies of what arrived, on this machine's disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from transcription.errors import Refused


@dataclass(frozen=True)
class Copy:
    """A copy of a file of a watched place, or of an attachment."""

    file_name: str
    path: Path
    size: int
    sha256: str
    seconds: float = 0.0


class Gone(Exception):
    """The file or message is no longer there, or is another one."""


def too_large(limit: int) -> Refused:
    message = _("The file is larger than the limit of %(limit)s.") % {"limit": filesizeformat(limit)}
    return Refused("too_large", message)

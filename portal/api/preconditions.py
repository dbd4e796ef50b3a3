"""`If-Match` (RFC 9110, RFC 6585): who changes something says which state of it they have seen."""

from __future__ import annotations

import re

from django.http import HttpRequest
from django.utils.translation import gettext as _

from transcription.errors import InvalidOption
from transcription.transcripts.revisions import ANY

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"')
LONGEST = 1000


class PreconditionRequired(Exception):
    """There is no `If-Match`."""


def seen_tags(request: HttpRequest) -> frozenset[str]:
    """Returns the tags of `If-Match`, ANY for `*`. Raises PreconditionRequired and InvalidOption.

    Weak ones count too: a proxy that compresses an answer weakens its tag.
    """
    header = request.headers.get("If-Match", "").strip()[:LONGEST]
    if not header:
        raise PreconditionRequired
    if header == ANY:
        return frozenset({ANY})
    if not (tags := frozenset(_TAG.findall(header))):
        message = _('`If-Match` has the ETag that you have read with its quotation marks, as in "3.1", or is *.')
        raise InvalidOption("If-Match", message)
    return tags


def quoted(tag: str) -> str:
    """Returns the value of an `ETag` header."""
    return f'"{tag}"'

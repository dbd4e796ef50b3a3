"""Reads and writes the headers of tus 1.0.0 (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime

from django.utils.http import http_date
from django.utils.translation import gettext as _

from portal.http.routes import TUS_BYTES
from transcription.errors import Refused

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration"
MAX_METADATA_LENGTH = 32 * 1024
MAX_PAIRS = 64
KEY = re.compile(r"[!-+\--~]{1,100}")  # ASCII without spaces and commas
NUMBER = re.compile(r"[0-9]{1,18}")
UNSUPPORTED = {"Upload-Concat": "concatenation", "Upload-Checksum": "checksum"}
"""Headers that ask for an extension; without it the same request means something else."""
Headers = Mapping[str, str]


def check_version(headers: Headers) -> None:
    """Raises Refused: 412."""
    if headers.get("tus-resumable") != VERSION:
        raise Refused("unsupported_version", _("Send `Tus-Resumable: %(version)s`.") % {"version": VERSION})


def check_extensions(headers: Headers) -> None:
    """Raises Refused: 400. Unknown headers change nothing, as everywhere in HTTP."""
    for name, extension in UNSUPPORTED.items():
        if name.lower() in headers:
            message = _(
                "`%(name)s` needs the tus extension “%(extension)s”, which is not supported here: send each file as one"
                " upload, without it. OPTIONS lists in `Tus-Extension` what is."
            )
            raise Refused("unsupported_extension", message % {"name": name, "extension": extension})


def is_chunk(headers: Headers) -> bool:
    """Returns whether the body is bytes of an upload."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == TUS_BYTES


def check_content_type(headers: Headers) -> None:
    """Raises Refused: 415."""
    if not is_chunk(headers):
        raise Refused("wrong_content_type", _("Send `Content-Type: %(type)s`.") % {"type": TUS_BYTES})


def number(headers: Headers, name: str) -> int:
    """Returns a header that is a whole number of bytes. Raises Refused: 400."""
    value = headers.get(name.lower(), "").strip()
    if not NUMBER.fullmatch(value):
        raise Refused("invalid_header", _("`%(name)s` is a whole number of bytes.") % {"name": name})
    return int(value)


def length(headers: Headers) -> int:
    """Returns `Upload-Length`. Raises Refused: 400."""
    if "upload-defer-length" in headers:
        message = _("The length must be known when an upload is begun: send `Upload-Length`.")
        raise Refused("length_required", message)
    return number(headers, "Upload-Length")


def metadata(header: str) -> dict[str, str]:
    """Returns `Upload-Metadata` by key: pairs of an ASCII key and a base64 value, which may be left out.

    Some clients send an empty header where they have no metadata. Raises Refused: 400.
    """
    if len(header) > MAX_METADATA_LENGTH:
        raise _bad_metadata(_("`Upload-Metadata` is too long."))
    pairs = [pair.strip(" ") for pair in header.split(",")] if header.strip() else []
    if len(pairs) > MAX_PAIRS:
        raise _bad_metadata(_("`Upload-Metadata` has too many pairs."))
    found: dict[str, str] = {}
    for pair in pairs:
        key, _space, value = pair.partition(" ")
        if not KEY.fullmatch(key) or key in found:
            raise _bad_metadata(_("Each key of `Upload-Metadata` is ASCII, without spaces or commas, and stands once."))
        found[key] = _text(key, value)
    return found


def expires(moment: datetime) -> dict[str, str]:
    return {"Upload-Expires": http_date(moment.timestamp())}


def _text(key: str, value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        message = _("The value of `%(key)s` in `Upload-Metadata` is not base64 of a UTF-8 text.")
        raise _bad_metadata(message % {"key": key}) from None


def _bad_metadata(message: str) -> Refused:
    return Refused("invalid_metadata", message)

"""What a JSON body says, checked for its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from transcription.options import InvalidOption

MOST_BYTES = 8 * 1024**2  # the longest transcript that may be replaced has room


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"

    def __init__(self) -> None:
        super().__init__(_("The body is larger than %(limit)s.") % {"limit": filesizeformat(MOST_BYTES)})


def json_object(request: Request) -> Mapping[str, Any]:
    """Raises InvalidOption, and BodyTooLarge before anything is read. Without a length nothing is read at all."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES:
        raise BodyTooLarge
    return mapping(request.data)


def mapping(body: Any) -> Mapping[str, Any]:
    """Raises InvalidOption."""
    if not isinstance(body, Mapping):
        raise InvalidOption("body", _("Send a JSON object."))
    return body


def text(body: Mapping[str, Any], name: str) -> str | None:
    """None where it is not given, or null. Raises InvalidOption."""
    value = body.get(name)
    if value is not None and not (isinstance(value, str) and _is_unicode(value)):
        raise InvalidOption(name, _("“%(name)s” is a text.") % {"name": name})
    return value


def texts(body: Mapping[str, Any], name: str) -> list[str] | None:
    """None where it is not given, or null. Raises InvalidOption."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) and _is_unicode(one) for one in value):
        raise InvalidOption(name, _("“%(name)s” is a list of texts.") % {"name": name})
    return value


def _is_unicode(value: str) -> bool:
    """JSON can spell half a character, which nothing can store."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True

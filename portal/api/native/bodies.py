"""JSON that programs send."""

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
    if not isinstance(request.data, Mapping):
        raise InvalidOption("body", _("Send a JSON object."))
    return request.data

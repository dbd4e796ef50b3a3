"""What pages' scripts send, and how they are answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.request import RawPostDataException
from django.utils.translation import gettext as _

from portal.http import json_body
from portal.http.json_body import BadJson
from transcription.errors import InvalidOption
from transcription.strikes.spans import Span
from transcription.transcripts.striking import Words
from transcription.transcripts.validation import checked_time

COMPACT = {"ensure_ascii": False, "separators": (",", ":")}
MAX_NUMBER = 2**31
MOST_LINES = 500
"""More of them are not told one by one: the page asks for all."""


def body_of(request: HttpRequest) -> dict[str, Any]:
    """Returns the JSON object that a script sent; empty for anything else, such as a form."""
    try:
        body = json_body.parse(request.body)
    except (BadJson, RawPostDataException):
        return {}
    return body if isinstance(body, dict) else {}


def number_of(body: dict[str, Any], name: str) -> int:
    """Raises InvalidOption."""
    value = body.get(name)
    if type(value) is not int or not 0 <= value < MAX_NUMBER:
        raise InvalidOption(name, _("“%(name)s” must be an integer.") % {"name": name})
    return value


def tag_of(body: Mapping[str, Any]) -> str:
    """Returns the tag of what the page shows; empty for none, which is never the current one."""
    return str(body.get("etag", ""))


def words_of(body: dict[str, Any]) -> Words:
    """Returns the words from a `position` of segment `first` to before `until` of segment `last`, or to its end.

    Raises InvalidOption.
    """
    until = None if body.get("until") is None else number_of(body, "until")
    return Words(number_of(body, "first"), number_of(body, "position"), number_of(body, "last"), until)


def seconds_of(body: dict[str, Any]) -> Span:
    """Raises InvalidOption."""
    return checked_time(body.get("start"), "start"), checked_time(body.get("end"), "end")


def indexes_of(request: HttpRequest) -> list[int]:
    """Returns the first MOST_LINES indexes of segments that `at` names, with commas between them."""
    parts = request.GET.get("at", "").split(",")[:MOST_LINES]
    return [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 8]


def problem(status: int, message: str, **more: Any) -> JsonResponse:
    return JsonResponse({"error": {"message": message}} | more, status=status)

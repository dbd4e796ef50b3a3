"""What a JSON body says, checked for its kind.

A field is absent where it is left out or null: each of these functions gives None then, and raises InvalidOption for
a value of another kind. Fields that the schema of the body doesn't know are refused: whoever mistypes one learns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from portal.api.native.datetimes import checked_moment
from portal.http.asgi import scope_of
from portal.http.routes import route_of
from transcription.errors import InvalidOption

LONGEST_NAME = 60  # of what is no field, in an answer
Body = Mapping[str, Any]
Value = TypeVar("Value")


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(_("The body is larger than %(limit)s.") % {"limit": filesizeformat(limit)})


class LengthRequired(APIException):
    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_code = "length_required"

    def __init__(self) -> None:
        super().__init__(_("The body came without its length, and was not read. Send it whole, with Content-Length."))


def json_object(request: Request, schema: Mapping[str, Any]) -> Body:
    """The fields that came, each one of the schema's. No body at all is an empty object.

    Raises InvalidOption, and before anything is read BodyTooLarge, and LengthRequired for a stream: what comes without
    a length would pass for no body.
    """
    length = request.META.get("CONTENT_LENGTH")
    if not length and "HTTP_TRANSFER_ENCODING" in request.META:
        raise LengthRequired
    if int(length or 0) > (limit := route_of(scope_of(request._request)).body_bytes):
        raise BodyTooLarge(limit)
    return known_fields(request.data, schema)


def known_fields(value: Any, schema: Mapping[str, Any], param: str = "body") -> Body:
    """`value` as an object of this schema. Raises InvalidOption, which names an unknown field or else `param`."""
    if not isinstance(value, Mapping):
        raise InvalidOption(param, _("Send a JSON object."))
    known = schema["properties"]
    if unknown := sorted(name for name in value if name not in known):
        raise _no_such_field(unknown[0], known)
    return value


def needed(name: str, value: Value | None) -> Value:
    """Raises InvalidOption where it is absent."""
    if value is None:
        raise InvalidOption(name, _("“%(name)s” is missing.") % {"name": name})
    return value


def text(body: Body, name: str) -> str | None:
    value = body.get(name)
    if value is not None and not _is_text(value):
        raise InvalidOption(name, _("“%(name)s” is a text.") % {"name": name})
    return value


def texts(body: Body, name: str) -> list[str] | None:
    value = body.get(name)
    if value is not None and not (isinstance(value, list) and all(_is_text(one) for one in value)):
        raise InvalidOption(name, _("“%(name)s” is a list of texts.") % {"name": name})
    return value


def number(body: Body, name: str) -> float | None:
    value: float | None = body.get(name)
    if value is not None and type(value) not in (int, float):
        raise InvalidOption(name, _("“%(name)s” is a number.") % {"name": name})
    return value


def whole(body: Body, name: str) -> int | None:
    value: int | None = body.get(name)
    if value is not None and type(value) is not int:
        raise InvalidOption(name, _("“%(name)s” is a whole number.") % {"name": name})
    return value


def whole_among(body: Body, name: str, among: range) -> int | None:
    value: int | None = body.get(name)
    if value is not None and not (type(value) is int and value in among):
        message = _("“%(name)s” is a whole number from %(least)d to %(most)d.")
        raise InvalidOption(name, message % {"name": name, "least": among[0], "most": among[-1]})
    return value


def flag(body: Body, name: str) -> bool | None:
    value: bool | None = body.get(name)
    if value is not None and type(value) is not bool:
        raise InvalidOption(name, _("“%(name)s” is true or false.") % {"name": name})
    return value


def moment(body: Body, name: str) -> datetime | None:
    """In UTC."""
    value = text(body, name)
    return None if value is None else checked_moment(value, name)


def _is_text(value: Any) -> bool:
    """JSON can spell half a character and NUL, which no database can store."""
    return isinstance(value, str) and "\x00" not in value and value == _whole_characters(value)


def _whole_characters(value: str) -> str:
    return value.encode(errors="replace").decode()


def _no_such_field(name: str, known: Mapping[str, Any]) -> InvalidOption:
    shown = _whole_characters(name[:LONGEST_NAME])
    if not known:
        return InvalidOption(shown, _("There is no field “%(name)s” here: send none.") % {"name": shown})
    message = _("There is no field “%(name)s” here. Known are %(known)s.")
    return InvalidOption(shown, message % {"name": shown, "known": ", ".join(sorted(known))})

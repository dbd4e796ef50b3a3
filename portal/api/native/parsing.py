"""Reads JSON bodies as Pydantic models, whose schema is the published one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeVar
from uuid import UUID

from django.template.defaultfilters import filesizeformat
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from portal.http.asgi import scope_of
from portal.http.routes import route_of
from transcription.errors import InvalidOption

LONGEST_NAME = 60  # of an unknown field, in an answer
INDEX_AT_END = re.compile(r"\[\d+\]$")
INCOMPLETE = gettext_lazy("“%(name)s” must be a string without NUL and without half a character.")
MESSAGES: dict[str, str | Promise] = {
    "missing": gettext_lazy("“%(name)s” is missing."),
    "model_type": gettext_lazy("“%(name)s” must be an object."),
    "datetime_type": gettext_lazy("“%(name)s” must be a string with date, time and zone, as in 2027-01-31T12:00:00Z."),
    "string_type": gettext_lazy("“%(name)s” must be a string."),
    "incomplete_string": INCOMPLETE,
    "string_unicode": INCOMPLETE,
    "id_type": gettext_lazy("“%(name)s” must be an id."),
    "bool_type": gettext_lazy("“%(name)s” must be true or false."),
    "float_type": gettext_lazy("“%(name)s” must be a number."),
    "int_type": gettext_lazy("“%(name)s” must be an integer."),
    "list_type": gettext_lazy("“%(name)s” must be a list."),
    "too_short": gettext_lazy("“%(name)s” must not be empty."),
    "greater_than_equal": gettext_lazy("“%(name)s” must be %(ge)d or more."),
    "less_than_equal": gettext_lazy("“%(name)s” must be %(le)d or less."),
    "literal_error": gettext_lazy("“%(name)s” must be one of: %(expected)s."),
}
"""By Pydantic's error types (https://docs.pydantic.dev/latest/errors/validation_errors/) and our own ones."""


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(_("The body is larger than %(limit)s.") % {"limit": filesizeformat(limit)})


class Encoded(APIException):
    status_code = status.HTTP_415_UNSUPPORTED_MEDIA_TYPE
    default_code = "unsupported_encoding"

    def __init__(self) -> None:
        super().__init__(_("The body is compressed. Send it as it is, without Content-Encoding."))


class LengthRequired(APIException):
    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_code = "length_required"

    def __init__(self) -> None:
        super().__init__(_("The body came without its length, and was not read. Send it whole, with Content-Length."))


def _as_openapi(schema: dict[str, Any]) -> None:
    """Says it as OpenAPI 3.0 does, which has `nullable`, and without what generated clients have no use for."""
    for part in (schema, *schema.get("properties", {}).values()):
        part.pop("title", None)
        if part.get("default") in (None, "", []):
            part.pop("default", None)
        match part.get("anyOf"):
            case [_, {"type": "null"}]:
                part |= part.pop("anyOf")[0] | {"nullable": True}


class RequestBody(BaseModel):
    """A JSON object with these fields and no others, each of its own type.

    A null is as if the field was left out, unless `knows_null`.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, json_schema_extra=_as_openapi)
    knows_null: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, sent: Any) -> Any:
        if not isinstance(sent, Mapping):
            return sent
        if unknown := sorted(set(sent) - set(cls.model_fields)):
            raise _no_such_field(unknown[0], sorted(cls.model_fields))
        return {name: value for name, value in sent.items() if value is not None or cls.knows_null}


Body = TypeVar("Body", bound=RequestBody)


def parse_body(request: Request, model: type[Body]) -> Body:
    """Returns the body, where no body is an empty object.

    Raises InvalidOption, and before anything is read Encoded, BodyTooLarge, and LengthRequired for a stream: what comes
    without a length would pass for no body.
    """
    if request.META.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise Encoded
    length = request.META.get("CONTENT_LENGTH")
    if not length and "HTTP_TRANSFER_ENCODING" in request.META:
        raise LengthRequired
    if int(length or 0) > (limit := route_of(scope_of(request._request)).body_bytes):
        raise BodyTooLarge(limit)
    try:
        return model.model_validate(request.data)
    except ValidationError as invalid:
        raise _invalid_option(invalid.errors(include_url=False)[0]) from invalid


def check_not_both(body: RequestBody, one: Sequence[str], other: Sequence[str]) -> None:
    """Raises InvalidOption where fields of both groups came, which say different things."""
    first, second = (next((name for name in names if name in body.model_fields_set), "") for names in (one, other))
    if first and second:
        message = _("Send “%(one)s” or “%(other)s”, not both.")
        raise InvalidOption(second, message % {"one": first, "other": second})


def _complete(text: str) -> str:
    """Refuses NUL and half a character, which JSON can spell but no database can store."""
    if "\x00" in text or text != _whole_characters(text):
        raise PydanticCustomError("incomplete_string", "incomplete string")
    return text


def _read_id(value: Any) -> UUID:
    try:
        return UUID(value if isinstance(value, str) else "")
    except ValueError:
        raise PydanticCustomError("id_type", "not an id") from None


Text = Annotated[str, AfterValidator(_complete)]
Id = Annotated[UUID, BeforeValidator(_read_id)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]


def documented(**schema: Any) -> Any:
    """Annotates a field with more of its JSON Schema, where the domain checks it in words of its own."""
    return Field(json_schema_extra=schema)


def _invalid_option(error: ErrorDetails) -> InvalidOption:
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).removeprefix(".")
    context = error.get("ctx", {})
    if isinstance(said := context.get("error"), InvalidOption):
        return InvalidOption(name if error["loc"][-1:] == (said.param,) else said.param, str(said), said.code)
    if not name:
        return InvalidOption("body", _("Send a JSON object."))
    message = MESSAGES.get(error["type"], gettext_lazy("“%(name)s” can’t have this value."))
    return InvalidOption(INDEX_AT_END.sub("", name), str(message) % {"name": name, **context})


def _whole_characters(text: str) -> str:
    return text.encode(errors="replace").decode()


def _no_such_field(name: str, known: list[str]) -> InvalidOption:
    shown = _whole_characters(name[:LONGEST_NAME])
    if not known:
        return InvalidOption(shown, _("There is no field “%(name)s” here: send none.") % {"name": shown})
    message = _("There is no field “%(name)s” here. Known are %(known)s.")
    return InvalidOption(shown, message % {"name": shown, "known": ", ".join(known)})

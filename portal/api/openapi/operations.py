"""What the schema says of a view, beside the view itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema

from portal.api.openapi.components import page_of, reference

View = TypeVar("View", bound=Callable[..., Any])
Schema = dict[str, Any]

FILE: Schema = {"type": "string", "format": "binary"}
JSON = "application/json"
FORM = "multipart/form-data"

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="1 to 255 printable ASCII characters of your own. The same key answers with what it made before.",
)
CURSOR = (
    OpenApiParameter("cursor", OpenApiTypes.STR, description="From `next` or `previous` of another page."),
    OpenApiParameter("limit", OpenApiTypes.INT, description="Items on a page, 1 to 200; 50 unless given."),
)


def operation(
    name: str,
    summary: str,
    answers: Mapping[int, type | Schema | None],
    *,
    body: Mapping[str, type | Schema] | None = None,
    parameters: Sequence[OpenApiParameter] = (),
    description: str = "",
) -> Callable[[View], View]:
    """Describe a method of a view.

    name: the operation's id, as generated clients call it. answers: by status; a TypedDict, a schema for another
    media type (`{"text/plain": {...}}`), or None without a body. body: by media type.
    """
    decorate: Callable[[View], View] = extend_schema(
        operation_id=name,
        summary=summary,
        description=description or None,
        request={media: _schema(shape) for media, shape in body.items()} if body else None,
        responses=_responses(answers),
        parameters=list(parameters),
    )
    return decorate


def listing(item: type) -> Schema:
    """A page of items, with cursors."""
    return {JSON: page_of(item)}


def _responses(answers: Mapping[int, type | Schema | None]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for status, answer in answers.items():
        if answer is None:
            found[status] = None
        elif isinstance(answer, dict):
            found |= {(status, media): _schema(shape) for media, shape in answer.items()}
        else:
            found[(status, JSON)] = reference(answer)
    return found


def _schema(shape: type | Schema) -> Schema:
    return shape if isinstance(shape, dict) else reference(shape)

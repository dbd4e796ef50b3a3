"""Decorators and parameters with which a view describes itself in the schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema

from portal.api.native.components import page_of, reference
from portal.api.native.schemas.recordings import FOLDER
from transcription.options.options import OPTIONS

View = TypeVar("View", bound=Callable[..., Any])
Schema = dict[str, Any]

NO_MORE = "."
"""Where the summary says it all: without a description drf-spectacular would show the method's docstring."""

FILE: Schema = {"type": "string", "format": "binary"}
JSON = "application/json"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
FORM = "multipart/form-data"

SAME_KEY = "1 to 255 printable ASCII characters of your own. The same key answers with what it made before."
IDEMPOTENCY_KEY = OpenApiParameter("Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER, description=SAME_KEY)
IF_MATCH = OpenApiParameter(
    "If-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True, description="The ETag that you have seen."
)
TRANSCRIPTS: Schema = {
    media: {"type": "string"}
    for media in (
        "text/plain",
        "application/x-subrip",
        "text/vtt",
        "text/tab-separated-values",
    )
} | {"application/json": {"type": "object"}, WORD: FILE}
VERSION = OpenApiParameter("Tus-Resumable", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True, enum=["1.0.0"])
OFFSET = OpenApiParameter("Upload-Offset", OpenApiTypes.INT, OpenApiParameter.HEADER, required=True)
UPLOAD_LENGTH = OpenApiParameter("Upload-Length", OpenApiTypes.INT, OpenApiParameter.HEADER, required=True)
UPLOAD_METADATA = OpenApiParameter("Upload-Metadata", OpenApiTypes.STR, OpenApiParameter.HEADER)


def file_form() -> Schema:
    """Returns the schema of a form with a file and the options; other fields are ignored, and named in the answer."""
    folder = {"type": "string", "description": FOLDER}
    fields = {"file": FILE} | {name: option.schema for name, option in OPTIONS.items()} | {"folder": folder}
    return {"type": "object", "properties": fields, "required": ["file"]}


def operation(
    name: str,
    summary: str,
    answers: Mapping[int, type | Schema | None],
    *,
    body: Mapping[str, type | Schema] | None = None,
    parameters: Sequence[OpenApiParameter] = (),
    description: str = "",
) -> Callable[[View], View]:
    """Describes a method of a view for the API's schema.

    name: the operation's id, as generated clients call it. answers: by status; a TypedDict, a schema for another
    media type (`{"text/plain": {...}}`), or None without a body. body: by media type; a Pydantic model or a schema.
    """
    decorate: Callable[[View], View] = extend_schema(
        operation_id=name,
        summary=summary,
        description=description or NO_MORE,
        request=dict(body) if body else None,
        responses=_responses(answers),
        parameters=list(parameters),
    )
    files = {media for answer in answers.values() if isinstance(answer, dict) for media in answer} - {JSON}

    query = {one.name for one in parameters if one.location == OpenApiParameter.QUERY}

    def describe(method: View) -> View:
        described = decorate(method)
        described.files = files  # type: ignore[attr-defined]  # read by portal.api.negotiation
        described.query = query  # type: ignore[attr-defined]  # read by TenantView
        return described

    return describe


def listing(item: type) -> Schema:
    """Returns the schema of a page of items, with cursors."""
    return {JSON: page_of(item)}


def _responses(answers: Mapping[int, type | Schema | None]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for status, answer in answers.items():
        if answer is None:
            found[status] = None
        elif isinstance(answer, dict):
            found |= {(status, media): schema for media, schema in answer.items()}
        else:
            found[(status, JSON)] = reference(answer)
    return found

"""What the schema says of a view, beside the view itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema

from portal.api.openapi.components import page_of, reference
from tenants.models import LONGEST_HOTWORDS
from transcription.models import MAX_BEAMS, Mode, Task
from transcription.options.options import LONGEST_PROMPT, MOST_TRACKS

View = TypeVar("View", bound=Callable[..., Any])
Schema = dict[str, Any]

NO_MORE = "."
"""Where the summary says it all: without a description drf-spectacular would show the method's docstring."""

FILE: Schema = {"type": "string", "format": "binary"}
JSON = "application/json"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
FORM = "multipart/form-data"

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="1 to 255 printable ASCII characters of your own. The same key answers with what it made before.",
)
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
CURSOR = (
    OpenApiParameter("cursor", OpenApiTypes.STR, description="From `next` or `previous` of another page."),
    OpenApiParameter("limit", OpenApiTypes.INT, description="Items on a page, 1 to 200; 50 unless given."),
)


def text(**more: Any) -> Schema:
    return {"type": "string", **more}


def counted(least: int, most: int | None = None) -> Schema:
    return {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})


def choice(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def properties(*, required: Sequence[str], **fields: Schema) -> Schema:
    """An object with these fields and no others: what `bodies.json_object` takes."""
    return form(required=required, **fields) | {"additionalProperties": False}


def form(*, required: Sequence[str], **fields: Schema) -> Schema:
    """Fields, beside which others are ignored."""
    return {"type": "object", "properties": fields} | ({"required": list(required)} if required else {})


def place(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.INT, description=description)


def query(name: str, description: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, description=description, **more)


OPTION_FIELDS: dict[str, Schema] = {
    "model": text(description="A name of `GET /v1/models`; the organisation's choice unless given."),
    "task": choice(*Task.values),
    "language": text(description="ISO 639-1; detected where it is not given."),
    "prompt": text(maxLength=LONGEST_PROMPT),
    "temperature": {"type": "number", "minimum": 0, "maximum": 1},
    "word_timestamps": {"type": "boolean"},
    "mode": choice(*Mode.values),
    "hotwords": text(maxLength=LONGEST_HOTWORDS),
    "beam_size": counted(1, MAX_BEAMS),
    "audio_track": counted(1, MOST_TRACKS)
    | {"description": "Of several in the file; without it the default one, or the first that is not silent."},
    "languages": array(text(description="ISO 639-1; where `language` is not given, detection is limited to these.")),
}


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
        description=description or NO_MORE,
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

"""Lines of a transcript that are heard again."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from pydantic import WithJsonSchema

from portal.api.native.parsing import Count, RequestBody, Text
from portal.api.native.schemas.failures import Failure
from portal.api.native.schemas.recordings import Queue
from portal.api.native.schemas.segments import End, Start
from transcription.intake.rehearing import CHOICES
from transcription.options.options import OPTIONS

MODEL, LANGUAGE, PROMPT, BEAM_SIZE = (WithJsonSchema(OPTIONS[name].schema) for name in CHOICES)


class NewRehearing(RequestBody):
    """The lines `first` to `last`, or the seconds from `start` to `end`; and the options that differ."""

    first: Count | None = None
    last: Count | None = None
    start: Start = None
    end: End = None
    model: Annotated[Text | None, MODEL] = None
    language: Annotated[Text | None, LANGUAGE] = None
    prompt: Annotated[Text | None, PROMPT] = None
    beam_size: Annotated[int | None, BEAM_SIZE] = None

    @property
    def options(self) -> dict[str, Any]:
        return self.model_dump(include=set(CHOICES), exclude_unset=True)


class RehearingBody(TypedDict):
    """Lines that are heard again. `etag` is that of the lines as they are now, `changed` whether they are others than
    when it was asked for; `text` is what was heard, a line a segment, null until it is complete.
    """

    id: str
    transcription: str
    status: str
    percent: int
    start: float
    end: float
    model: str
    language: str | None
    beam_size: int
    queue: Queue | None
    error: Failure | None
    text: str | None
    text_now: str
    changed: bool
    etag: str

"""Comments on passages of a recording."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, ClassVar, TypedDict
from uuid import UUID

from django.utils.translation import gettext as _
from pydantic import BeforeValidator

from portal.api.native.parsing import Count, RequestBody, documented
from portal.api.native.schemas.segments import End, Start
from transcription.errors import InvalidOption
from transcription.models.comment import HIGHLIGHTS, LONGEST_COMMENT


def _checked_id(value: Any, param: str) -> UUID | None:
    """Raises InvalidOption."""
    try:
        return None if value is None else UUID(value if isinstance(value, str) else "")
    except ValueError:
        raise InvalidOption(param, _("“%(name)s” must be an id.") % {"name": param}) from None


Parent = Annotated[Any, BeforeValidator(partial(_checked_id, param="parent")), documented(type="string", format="uuid")]
TranscriptionId = Annotated[
    Any, BeforeValidator(partial(_checked_id, param="transcription")), documented(type="string", format="uuid")
]
CommentText = Annotated[Any, documented(type="string", maxLength=LONGEST_COMMENT)]
Colour = Annotated[Any, documented(type="integer", minimum=0, maximum=HIGHLIGHTS - 1)]


class NewComment(RequestBody):
    """A comment, or without `text` a highlight, on the seconds from `start` to `end`, on words, or in reply to one.

    Words: of a `transcription`, from the character `position` of segment `first` to before `until` of segment `last`.
    """

    text: CommentText = ""
    colour: Colour = 0
    parent: Parent = None
    start: Start = None
    end: End = None
    transcription: TranscriptionId = None
    first: Count | None = None
    position: Count = 0
    last: Count | None = None
    until: Count | None = None


class CommentChanges(RequestBody):
    """Another text or colour of one's own comment; whether its thread is resolved."""

    knows_null: ClassVar[bool] = True
    text: CommentText = None
    colour: Colour = None
    resolved: bool | None = None


class CommentBody(TypedDict):
    """A comment. `by` is a person's, key's or guest's name, null once they were deleted; `mentions` are addresses."""

    id: str
    parent: str | None
    start: float
    end: float
    text: str
    colour: int
    by: str | None
    made_at: str
    edited_at: str | None
    resolved_at: str | None
    resolved_by: str | None
    mentions: list[str]


class ThreadBody(CommentBody):
    """The first comment of a thread, and its replies."""

    replies: list[CommentBody]

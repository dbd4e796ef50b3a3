"""Comments on passages of a recording."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypedDict

from portal.api.native.parsing import Count, Id, RequestBody, Text, documented
from portal.api.native.schemas.segments import End, Start
from transcription.models.comment import HIGHLIGHTS, LONGEST_COMMENT

CommentText = Annotated[Text, documented(maxLength=LONGEST_COMMENT)]
Colour = Annotated[Any, documented(type="integer", minimum=0, maximum=HIGHLIGHTS - 1)]


class NewComment(RequestBody):
    """A comment, or without `text` a highlight, on the seconds from `start` to `end`, on words, or in reply to one.

    Words: of a `transcription`, from the character `position` of segment `first` to before `until` of segment `last`.
    """

    text: CommentText = ""
    colour: Colour = 0
    parent: Id | None = None
    start: Start = None
    end: End = None
    transcription: Id | None = None
    first: Count | None = None
    position: Count = 0
    last: Count | None = None
    until: Count | None = None


class CommentChanges(RequestBody):
    """Another text or colour of one's own comment; whether its thread is resolved."""

    knows_null: ClassVar[bool] = True
    text: CommentText | None = None
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

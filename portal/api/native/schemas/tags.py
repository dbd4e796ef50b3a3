"""A tenant's tags."""

from __future__ import annotations

from typing import Annotated, TypedDict

from portal.api.native.parsing import RequestBody, Text, documented
from transcription.models.tag import COLOURS, LONGEST

Name = Annotated[Text, documented(minLength=1, maxLength=LONGEST)]
Colour = Annotated[int, documented(minimum=0, maximum=COLOURS - 1)]


class NewTag(RequestBody):
    """A tag; its colour is one of the theme's, chosen where none is given."""

    name: Name
    colour: Colour | None = None


class TagChanges(RequestBody):
    """The changes to a tag."""

    name: Name | None = None
    colour: Colour | None = None


class MergeBody(RequestBody):
    """The id of the tag that this one becomes part of."""

    into: Text


class PutTag(RequestBody):
    """The name of a tag."""

    name: Name


class TagBody(TypedDict):
    """A tag. `colour` is a number of the portal's theme.

    `audio_days` and `text_days` are how long what has it is kept; null where that is left to the organisation.
    """

    id: str
    name: str
    colour: int
    audio_days: int | None
    text_days: int | None
    created_at: str


class TagsBody(TypedDict):
    """In the order of the alphabet."""

    results: list[TagBody]

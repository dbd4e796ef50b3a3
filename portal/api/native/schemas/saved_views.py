"""Saved views of the library."""

from __future__ import annotations

from typing import Annotated, TypedDict

from portal.api.native.parsing import RequestBody, Text, documented
from transcription.library.saved_views import CHOICES, TEXTS
from transcription.models.saved_view import LONGEST_VIEW

Name = Annotated[Text, documented(minLength=1, maxLength=LONGEST_VIEW)]


class SavedQuery(RequestBody):
    """What a view asks for, by the names that the library's address has. `folder` and `key` are ids."""

    by: Annotated[Text, documented(enum=CHOICES["by"])] = ""
    key: Annotated[Text, documented(maxLength=TEXTS["key"])] = ""
    owner: Annotated[Text, documented(maxLength=TEXTS["owner"])] = ""
    source: Annotated[Text, documented(enum=CHOICES["source"])] = ""
    folder: Annotated[Text, documented(maxLength=TEXTS["folder"])] = ""
    tag: Annotated[Text, documented(maxLength=TEXTS["tag"])] = ""
    favourite: Annotated[Text, documented(enum=CHOICES["favourite"])] = ""
    held: Annotated[Text, documented(enum=CHOICES["held"])] = ""
    search: Annotated[Text, documented(maxLength=TEXTS["search"])] = ""
    status: Annotated[Text, documented(enum=CHOICES["status"])] = ""
    checked: Annotated[Text, documented(enum=CHOICES["checked"])] = ""
    order: Annotated[Text, documented(enum=CHOICES["order"])] = ""


class NewView(RequestBody):
    """A view of the organisation's; one of the same name is replaced."""

    name: Name
    query: SavedQuery


class ViewChanges(RequestBody):
    """Another name for a view."""

    name: Name


class ViewBody(TypedDict):
    """A view of the organisation's. `query` has what is asked for, by the names that the library's address has."""

    id: str
    name: str
    query: dict[str, str]
    created_at: str


class ViewsBody(TypedDict):
    """By their names."""

    results: list[ViewBody]

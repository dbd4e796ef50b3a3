"""A tenant's folders."""

from __future__ import annotations

from typing import Annotated, TypedDict

from portal.api.native.parsing import RequestBody, Text, documented
from transcription.models.folder import LONGEST_FOLDER

Name = Annotated[Text, documented(minLength=1, maxLength=LONGEST_FOLDER)]


class NewFolder(RequestBody):
    """A folder. What is in a restricted one only its members see, owners, admins, and keys."""

    name: Name
    restricted: bool = False


class FolderChanges(RequestBody):
    """The changes to a folder."""

    name: Name | None = None
    restricted: bool | None = None


class MoveBody(RequestBody):
    """The name or id of the folder that the recording is moved to; “none” to take it out of any."""

    folder: Text


class FolderBody(TypedDict):
    """A folder; a private one is a person's own.

    `audio_days` and `text_days` are how long what is in it is kept; null where that is left to the organisation.
    """

    id: str
    name: str
    restricted: bool
    private: bool
    audio_days: int | None
    text_days: int | None
    created_at: str

"""The bin, legal holds, and how long what is in a folder, or has a tag, is kept."""

from __future__ import annotations

from typing import Annotated, TypedDict

from portal.api.native.parsing import RequestBody, Text, documented
from transcription.library.holds import LONGEST_REASON
from transcription.library.periods import MOST_DAYS

Days = Annotated[int, documented(minimum=1, maximum=MOST_DAYS)]


class NewHold(RequestBody):
    """Why a recording may not be deleted."""

    reason: Annotated[Text, documented(maxLength=LONGEST_REASON)] = ""


class HoldBody(TypedDict):
    """Whether a recording is on hold, since when, by whom and why."""

    held: bool
    held_at: str | None
    held_by: str
    reason: str


class BinnedBody(TypedDict):
    """A recording in the bin. `erase_at` is when it is erased for good."""

    id: str
    name: str
    folder: str | None
    deleted_at: str
    deleted_by: str
    erase_at: str | None
    held: bool


class NewRetention(RequestBody):
    """Days from the upload, and from when a text was finished; null, or none, leaves it to the organisation.

    With `preview` nothing is saved: the answer says what would go.
    """

    audio_days: Days | None = None
    text_days: Days | None = None
    preview: bool = False


class RetentionBody(TypedDict):
    """How long it is kept, and what goes within the hour by it: audio of recordings, and texts. Those on hold stay."""

    audio_days: int | None
    text_days: int | None
    audio_goes: int
    texts_go: int
    held: int

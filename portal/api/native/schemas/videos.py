"""Videos with subtitles, as programs ask for them and see them."""

from __future__ import annotations

from typing import Literal, TypedDict

from pydantic import Field

from portal.api.native.parsing import Id, RequestBody
from portal.api.native.schemas.failures import Failure
from transcription.exports import Layout
from transcription.exports.layout import LINE_LENGTHS, LINES


class NewVideo(RequestBody):
    """A video to be made. `burnt` has the subtitles in its picture, `mp4` and `mkv` as a track that players show."""

    kind: Literal["burnt", "mp4", "mkv"]
    max_line_length: int = Field(Layout.max_line_length, ge=LINE_LENGTHS[0], le=LINE_LENGTHS[-1])
    max_lines: int = Field(Layout.max_lines, ge=LINES[0], le=LINES[-1])
    beside: Id | None = Field(None, description="Another transcription of the recording, such as a translation.")


class VideoBody(TypedDict):
    """A video with subtitles. `status` is waiting, ready, failed, or outdated: something was struck, or given back.

    `file` is there as long as it is ready. `corrected` says that the text was corrected since.
    """

    id: str
    transcription: str
    recording: str
    kind: str
    max_line_length: int
    max_lines: int
    beside: str | None
    status: str
    percent: int
    bytes: int | None
    corrected: bool
    created_at: str
    finished_at: str | None
    error: Failure | None
    file: str | None


class VideosBody(TypedDict):
    """The videos of a transcription, the newest first."""

    results: list[VideoBody]

"""Recordings and their transcriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypedDict, get_type_hints

from django.utils.translation import gettext as _
from pydantic import WithJsonSchema, create_model, model_validator

from portal.api.native.parsing import RequestBody, Text, documented
from portal.api.native.schemas.failures import Failure
from transcription.errors import InvalidOption
from transcription.media.filenames import LONGEST_NAME
from transcription.media.warnings import Warned
from transcription.options.audio_tracks import NumberedTrack
from transcription.options.options import OPTIONS, TranscriptionOptions

JSON_TYPES = {"string": Text, "number": float, "integer": int, "boolean": bool, "array": list[Text]}
FOLDER = "The name or the id of the folder that it goes into; without one it goes into none."
HIDDEN = ("prompt", "temperature")
SHOWN_OTHERWISE = ("language", "languages", "audio_track")
SHOWN_AS_THEY_ARE = [name for name in OPTIONS if name not in (*HIDDEN, *SHOWN_OTHERWISE)]

if TYPE_CHECKING:
    OptionFields = RequestBody

    class OptionAnswers(TypedDict):
        """Each of SHOWN_AS_THEY_ARE."""
else:
    OptionFields = create_model(
        "OptionFields",
        __base__=RequestBody,
        **{
            name: (
                Annotated[JSON_TYPES[option.schema["type"]], WithJsonSchema(option.schema)],
                option.schema.get("default"),
            )
            for name, option in OPTIONS.items()
        },
    )
    _types = get_type_hints(TranscriptionOptions)
    OptionAnswers = TypedDict("OptionAnswers", {name: _types[name] for name in SHOWN_AS_THEY_ARE})


Folder = Annotated[Text, documented(description=FOLDER)]


class RequestedOptions(OptionFields):
    """How a recording is to be transcribed."""

    @property
    def options(self) -> TranscriptionOptions:
        """Raises InvalidOption."""
        return TranscriptionOptions.from_fields(self.model_dump(exclude_unset=True))


class RecordingByUrl(RequestedOptions):
    """The address of a recording to fetch, and how it is to be transcribed."""

    url: Annotated[Text, documented(format="uri")]
    name: Text = ""
    folder: Folder = ""

    @model_validator(mode="before")
    @classmethod
    def _check_url(cls, sent: Any) -> Any:
        if isinstance(sent, dict) and sent.get("url") in (None, ""):
            raise InvalidOption("url", _("Name the “url” of the recording, or send a file as multipart/form-data."))
        return sent


class Queue(TypedDict):
    """Where a waiting transcription stands. `eta_seconds` is until the text is there."""

    position: int
    eta_seconds: float | None


class LanguageFound(TypedDict):
    """A language that was heard, and its share of the time in which there is text: 0 to 1."""

    language: str
    share: float


class TranscriptionBody(OptionAnswers):
    """One transcription of a recording. `transcripts` are links by format, once it is completed.

    `audio_track` is the number that was asked for, `audio_track_taken` the one that was, or is, transcribed. With
    `finding_speakers` the text is there, and who says what is worked out. `checked_share` is how much of the words
    people have checked, 0.0 to 1.0. One that `translates` another one stands beside it, and is never the latest.
    """

    id: str
    recording: str
    status: str
    percent: int
    finding_speakers: bool
    language: str | None
    mode_taken: str | None
    languages: list[str]
    languages_found: list[LanguageFound]
    audio_track: int | None
    audio_track_taken: int | None
    lane: str
    created_at: str
    finished_at: str | None
    processing_seconds: float | None
    translates: str | None
    reused: bool
    reused_from: str | None
    text_deleted_at: str | None
    revision: int
    checked_share: float
    queue: Queue | None
    error: Failure | None
    warnings: list[Warned]
    transcripts: dict[str, str] | None


class RecordingChanges(RequestBody):
    """The changes to a recording."""

    name: Annotated[Text, documented(minLength=1, maxLength=LONGEST_NAME)]


class RecordingBody(TypedDict):
    """A recording with its latest transcription. `duration_seconds` and `bytes` are the media's own.

    `owner` is the e-mail address of the person who added it, `key` the id of the key, `folder` the id of its folder.
    `changed_at` is when its text last came or was corrected, `rules` are the names of those that held as it came
    by its `way`, `sender` the address of the e-mail that it came by.
    """

    id: str
    name: str
    source: str
    way: str | None
    sender: str | None
    rules: list[str]
    owner: str | None
    key: str | None
    tags: list[str]
    folder: str | None
    created_at: str
    changed_at: str
    duration_seconds: float
    bytes: int
    format: str
    audio_tracks: list[NumberedTrack]
    audio_deleted_at: str | None
    transcription: TranscriptionBody | None

"""The form fields of OpenAI's audio endpoints, read into checked options."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from portal.api import ignored
from portal.api.form_options import sent_options
from portal.api.openai.errors import ApiError, of_option
from portal.http import json_body
from portal.http.form_data import list_name
from portal.http.json_body import BadJson
from portal.http.uploads import Upload
from transcription.errors import InvalidOption
from transcription.intake.known_voices import MOST_VOICES, NAMES, REFERENCES
from transcription.models import Lane, Mode, Task
from transcription.models.speaker import LONGEST_NAME
from transcription.options.offered_models import tells_apart
from transcription.options.options import LONGEST_PROMPT, OPTIONS, TranscriptionOptions
from transcription.options.speakers import AUTO, OFF
from transcription.scripts import one_line
from transcription.transcripts.speakers import checked_name

DIARIZED = "diarized_json"
TELLS_LANGUAGES = "gpt-transcribe"
"""OpenAI's model whose answers have `languages`."""

RESPONSE_FORMATS = ("json", "text", "srt", "verbose_json", "vtt", DIARIZED)
TRANSLATED_FORMATS = RESPONSE_FORMATS[:-1]
GRANULARITIES = ("word", "segment")
VOICE_ACTIVITY = "server_vad"
STRATEGY = "chunking_strategy"
STRATEGY_TYPE = f"{STRATEGY}[type]"
SPEAKERS = ("known_speaker_names", "known_speaker_references")
DERIVED_OPTIONS = ("task", "word_timestamps")
"""No fields here: the endpoint and `timestamp_granularities` decide them."""
FORM_OPTIONS = {name: option for name, option in OPTIONS.items() if name not in DERIVED_OPTIONS}
LISTS = (
    *(name for name, option in FORM_OPTIONS.items() if option.is_list),
    *("timestamp_granularities", "include", "keywords", *SPEAKERS),
)
FIELDS = (
    *(name for name, option in FORM_OPTIONS.items() if not option.is_list),
    *("response_format", "stream", "folder", STRATEGY, STRATEGY_TYPE),
)


@dataclass(frozen=True)
class Parameters:
    """The checked parameters of a request.

    `ignored` names the fields that change nothing here: some parameters of OpenAI's, and unknown fields.
    `known_names` are those of the voices that came along, where speakers are told apart.
    `folder` is the name or id of the one that the recording goes into. `tells_languages`: the answer has those heard.
    """

    options: TranscriptionOptions
    response_format: str
    granularities: frozenset[str]
    stream: bool
    ignored: tuple[str, ...] = ()
    known_names: tuple[str, ...] = ()
    folder: str = ""
    tells_languages: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return ignored.headers_of(self.ignored)


def parse(upload: Upload, task: str) -> Parameters:
    """Raises ApiError."""
    response_format = _response_format(upload, TRANSLATED_FORMATS if task == Task.TRANSLATE else RESPONSE_FORMATS)
    granularities = _granularities(upload, response_format)
    if not upload.field("model"):
        raise ApiError(400, _("The field `model` is missing."), param="model", code="missing_required_parameter")
    _check_include(upload, response_format)
    strategy = _chunking_strategy(upload)
    sent = sent_options(upload) | {
        "task": task,
        "prompt": upload.field("prompt")[-LONGEST_PROMPT:],  # Whisper reads no more than the end of it
        "word_timestamps": "word" in granularities,
        "mode": upload.field("mode") or (Mode.FAST if strategy == VOICE_ACTIVITY else ""),
        "speakers": _speakers(upload, response_format),
        "hotwords": "\n".join([upload.field("hotwords"), *upload.every("keywords")]),
    }
    if task == Task.TRANSLATE:
        sent |= {"language": "", "languages": ""}
    try:
        options = TranscriptionOptions.checked(Lane.INTERACTIVE, **sent)
    except InvalidOption as invalid:
        raise of_option(invalid) from invalid
    tells_apart = sent["speakers"] not in ("", OFF)
    known = _known_names(upload) if tells_apart else ()
    names = tuple(dict.fromkeys(_ignored(upload, task, response_format, tells_apart)))
    folder, stream = upload.field("folder"), _stream(upload)
    tells_languages = upload.field("model").strip().removeprefix("openai/") == TELLS_LANGUAGES
    return Parameters(options, response_format, granularities, stream, names, known, folder, tells_languages)


def _response_format(upload: Upload, known: tuple[str, ...]) -> str:
    wanted = upload.field("response_format") or "json"
    if wanted not in known:
        raise _no_choice(wanted, known, "response_format")
    return wanted


def _speakers(upload: Upload, response_format: str) -> str:
    """Returns how many speakers are asked for; any number where only the format or the model asks. Raises ApiError."""
    wanted = upload.field("speakers").strip().lower()
    if response_format == DIARIZED and wanted == OFF:
        message = _("diarized_json says who speaks: leave out speakers=off, or ask for another format.")
        raise ApiError(400, message, param="speakers", code="invalid_value")
    is_asked = response_format == DIARIZED or tells_apart(upload.field("model"))
    return wanted or (AUTO if is_asked else "")


def _known_names(upload: Upload) -> tuple[str, ...]:
    """Returns the names of speakers whose voices came along. Raises ApiError."""
    names = [one_line(name) for name in upload.every("known_speaker_names")]
    if len(names) != len(upload.spooled):
        message = _("known_speaker_names[] and known_speaker_references[] go in pairs, at most %(n)d of them.")
        raise ApiError(400, message % {"n": MOST_VOICES}, param=REFERENCES, code="invalid_value")
    if len(names) != len(set(names)) or not all(0 < len(name) <= LONGEST_NAME for name in names):
        message = _("Each speaker needs a name of its own, of at most %(n)d characters.") % {"n": LONGEST_NAME}
        raise ApiError(400, message, param=NAMES, code="invalid_value")
    return tuple(map(checked_name, names))


def _words(upload: Upload, name: str) -> list[str]:
    """Returns the values of a list whose values hold no comma: some clients send it as `word,segment`."""
    texts = (text.strip() for value in upload.every(name) for text in value.split(","))
    return [text for text in texts if text]


def _granularities(upload: Upload, response_format: str) -> frozenset[str]:
    """Returns what gets times. Models by OpenAI's newer names have none: it is ignored for them. Raises ApiError."""
    wanted = frozenset(_words(upload, "timestamp_granularities"))
    if not wanted <= set(GRANULARITIES):
        message = _("Timestamp granularities are word and segment.")
        raise ApiError(400, message, param="timestamp_granularities[]", code="invalid_value")
    if wanted and response_format != "verbose_json":
        if upload.field("model").strip().removeprefix("openai/").startswith("gpt-"):
            return frozenset({"segment"})
        message = _("Timestamp granularities need response_format=verbose_json.")
        raise ApiError(400, message, param="timestamp_granularities[]", code="invalid_value")
    return wanted or frozenset({"segment"})


def _check_include(upload: Upload, response_format: str) -> None:
    """Raises ApiError."""
    for wanted in _words(upload, "include"):
        if wanted != "logprobs":
            raise _no_choice(wanted, ("logprobs",), "include[]")
        if response_format != "json":
            message = _("“logprobs” needs response_format=json.")
            raise ApiError(400, message, param="include[]", code="invalid_value")


def _chunking_strategy(upload: Upload) -> str:
    """Returns `auto`, `server_vad` or an empty text. Raises ApiError."""
    wanted = upload.field(STRATEGY_TYPE) or _strategy_fields(upload).get("type") or upload.field(STRATEGY)
    if wanted not in ("", "auto", VOICE_ACTIVITY):
        raise _no_choice(str(wanted), ("auto", VOICE_ACTIVITY), STRATEGY)
    return str(wanted)


def _strategy_fields(upload: Upload) -> dict[str, Any]:
    """Returns the fields of a strategy that was sent as a JSON object."""
    with suppress(BadJson):
        sent = json_body.parse(upload.field(STRATEGY))
        return sent if isinstance(sent, dict) else {}
    return {}


def _stream(upload: Upload) -> bool:
    """Raises ApiError."""
    wanted = upload.field("stream").strip().lower()
    if wanted not in ("", "true", "1", "false", "0"):
        raise _no_choice(wanted, ("true", "false"), "stream")
    return wanted in ("true", "1")


def _ignored(upload: Upload, task: str, response_format: str, tells_apart: bool) -> Iterator[str]:
    """Yields the fields that change nothing.

    Whisper keeps no log probability of a token; voices are compared where speakers are told apart; a language that is
    given is not detected.
    """
    yield from (f"{name}[]" for name in ("include", *(() if tells_apart else SPEAKERS)) if upload.every(name))
    if response_format != "verbose_json" and upload.every("timestamp_granularities"):
        yield "timestamp_granularities[]"
    if task == Task.TRANSLATE and upload.field("language"):
        yield "language"
    is_settled = task == Task.TRANSLATE or bool(upload.field("language"))
    if is_settled and upload.every("languages"):
        yield "languages[]"
    yield from (f"{STRATEGY}[{name}]" for name in _strategy_fields(upload) if name != "type")
    yield from (name for name in upload.fields if name not in FIELDS and list_name(name) not in LISTS)


def _no_choice(value: str, known: tuple[str, ...], param: str) -> ApiError:
    message = _("“%(format)s” is not one of %(known)s.") % {"format": value[:40], "known": ", ".join(known)}
    return ApiError(400, message, param=param, code="invalid_value")

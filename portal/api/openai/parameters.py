"""The form fields of OpenAI's audio endpoints, read into checked options."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass

from django.utils.translation import gettext as _

from portal.api.openai.errors import ApiError, of_option
from portal.receive import Upload
from transcription.models import Lane, Mode, Task
from transcription.options import LONGEST_PROMPT, InvalidOption, TranscriptionOptions

RESPONSE_FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
GRANULARITIES = ("word", "segment")
VOICE_ACTIVITY = "server_vad"
SETTINGS_OF_VOICE_ACTIVITY = ("prefix_padding_ms", "silence_duration_ms", "threshold")
SPEAKERS = ("known_speaker_names", "known_speaker_references")
IGNORED_HEADER = "X-Ignored-Parameters"


@dataclass(frozen=True)
class Parameters:
    """What the caller asked for, and how the answer is to look.

    `ignored` are parameters of OpenAI's that were understood and change nothing here.
    """

    options: TranscriptionOptions
    response_format: str
    granularities: frozenset[str]
    stream: bool
    ignored: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        return {IGNORED_HEADER: ", ".join(self.ignored)} if self.ignored else {}


def parse(upload: Upload, task: str) -> Parameters:
    """Raises ApiError."""
    response_format = _response_format(upload)
    granularities = _granularities(upload, response_format)
    if not upload.field("model"):
        raise ApiError(400, _("The field `model` is missing."), param="model", code="missing_required_parameter")
    _check_include(upload, response_format)
    strategy = _chunking_strategy(upload)
    try:
        options = TranscriptionOptions.checked(
            model=upload.field("model"),
            task=task,
            language="" if task == Task.TRANSLATE else upload.field("language"),
            prompt=upload.field("prompt")[-LONGEST_PROMPT:],  # Whisper reads no more than the end of it
            temperature=upload.field("temperature") or 0.0,
            word_timestamps="word" in granularities,
            mode=upload.field("mode") or (Mode.FAST if strategy == VOICE_ACTIVITY else ""),
            hotwords="\n".join([upload.field("hotwords"), *upload.every("keywords")]),
            beam_size=upload.field("beam_size"),
            languages="" if task == Task.TRANSLATE else ",".join(upload.every("languages")),
            lane=Lane.INTERACTIVE,
        )
    except InvalidOption as invalid:
        raise of_option(invalid) from invalid
    return Parameters(options, response_format, granularities, _stream(upload), _ignored(upload, task))


def _response_format(upload: Upload) -> str:
    wanted = upload.field("response_format") or "json"
    if wanted == "diarized_json":
        message = _("Speakers are not told apart here, so there is no diarized_json. Ask for one of %(known)s.")
        known = {"known": ", ".join(RESPONSE_FORMATS)}
        raise ApiError(400, message % known, param="response_format", code="unsupported_value")
    if wanted not in RESPONSE_FORMATS:
        raise _no_choice(wanted, RESPONSE_FORMATS, "response_format")
    return wanted


def _granularities(upload: Upload, response_format: str) -> frozenset[str]:
    """What is to have times. Raises ApiError."""
    wanted = frozenset(upload.every("timestamp_granularities"))
    if not wanted <= set(GRANULARITIES):
        message = _("Timestamp granularities are word and segment.")
        raise ApiError(400, message, param="timestamp_granularities[]", code="invalid_value")
    if wanted and response_format != "verbose_json":
        message = _("Timestamp granularities need response_format=verbose_json.")
        raise ApiError(400, message, param="timestamp_granularities[]", code="invalid_value")
    return wanted or frozenset({"segment"})


def _check_include(upload: Upload, response_format: str) -> None:
    """Raises ApiError."""
    for wanted in upload.every("include"):
        if wanted != "logprobs":
            raise _no_choice(wanted, ("logprobs",), "include[]")
        if response_format != "json":
            message = _("“logprobs” needs response_format=json.")
            raise ApiError(400, message, param="include[]", code="invalid_value")


def _chunking_strategy(upload: Upload) -> str:
    """`auto`, `server_vad` or nothing. An object comes as `chunking_strategy[type]`, or as JSON. Raises ApiError."""
    wanted = upload.field("chunking_strategy[type]") or upload.field("chunking_strategy")
    with suppress(ValueError, AttributeError, RecursionError):
        wanted = str(json.loads(wanted).get("type", ""))
    if wanted not in ("", "auto", VOICE_ACTIVITY):
        raise _no_choice(wanted, ("auto", VOICE_ACTIVITY), "chunking_strategy")
    return wanted


def _stream(upload: Upload) -> bool:
    """Raises ApiError."""
    wanted = upload.field("stream").strip().lower()
    if wanted not in ("", "true", "1", "false", "0"):
        raise _no_choice(wanted, ("true", "false"), "stream")
    return wanted in ("true", "1")


def _ignored(upload: Upload, task: str) -> tuple[str, ...]:
    """Whisper gives no log probability a token, and tells no speakers apart; a language that is given is not heard."""
    names = [f"{name}[]" for name in ("include", *SPEAKERS) if upload.every(name)]
    if task == Task.TRANSLATE or upload.field("language"):
        names += ["languages[]"] if upload.every("languages") else []
    settings = (f"chunking_strategy[{name}]" for name in SETTINGS_OF_VOICE_ACTIVITY)
    return (*names, *(name for name in settings if upload.every(name)))


def _no_choice(value: str, known: tuple[str, ...], param: str) -> ApiError:
    message = _("“%(format)s” is not one of %(known)s.") % {"format": value[:40], "known": ", ".join(known)}
    return ApiError(400, message, param=param, code="invalid_value")

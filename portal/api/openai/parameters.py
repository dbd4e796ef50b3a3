"""The form fields of OpenAI's audio endpoints, read into checked options."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from portal.api.openai.errors import ApiError, of_option
from portal.receive import Upload
from transcription.models import Lane, Task
from transcription.options import LONGEST_PROMPT, InvalidOption, TranscriptionOptions

RESPONSE_FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
GRANULARITIES = ("word", "segment")
TRUE_WORDS = ("true", "1")


@dataclass(frozen=True)
class Parameters:
    """What the caller asked for, and how the answer is to look."""

    options: TranscriptionOptions
    response_format: str
    granularities: frozenset[str]
    stream: bool


def parse(upload: Upload, task: str) -> Parameters:
    """Raises ApiError."""
    response_format = _response_format(upload)
    granularities = _granularities(upload, response_format)
    if not upload.field("model"):
        raise ApiError(400, _("The field `model` is missing."), param="model", code="missing_required_parameter")
    try:
        options = TranscriptionOptions.checked(
            model=upload.field("model"),
            task=task,
            language="" if task == Task.TRANSLATE else upload.field("language"),
            prompt=upload.field("prompt")[-LONGEST_PROMPT:],  # Whisper reads no more than the end of it
            temperature=upload.field("temperature") or 0.0,
            word_timestamps="word" in granularities,
            mode=upload.field("mode"),
            hotwords=upload.field("hotwords"),
            beam_size=upload.field("beam_size"),
            lane=Lane.INTERACTIVE,
        )
    except InvalidOption as invalid:
        raise of_option(invalid) from invalid
    return Parameters(options, response_format, granularities, upload.field("stream").lower() in TRUE_WORDS)


def _response_format(upload: Upload) -> str:
    wanted = upload.field("response_format") or "json"
    if wanted not in RESPONSE_FORMATS:
        message = _("“%(format)s” is not one of %(known)s.") % {
            "format": wanted[:40],
            "known": ", ".join(RESPONSE_FORMATS),
        }
        raise ApiError(400, message, param="response_format", code="invalid_value")
    return wanted


def _granularities(upload: Upload, response_format: str) -> frozenset[str]:
    """What is to have times. Raises ApiError."""
    wanted = frozenset(upload.every("timestamp_granularities")) or frozenset({"segment"})
    if not wanted <= set(GRANULARITIES):
        message = _("Timestamp granularities are word and segment.")
        raise ApiError(400, message, param="timestamp_granularities[]", code="invalid_value")
    if "word" in wanted and response_format != "verbose_json":
        message = _("Word timestamps need response_format=verbose_json.")
        raise ApiError(400, message, param="timestamp_granularities[]", code="invalid_value")
    return wanted

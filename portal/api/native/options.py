"""How a recording is to be transcribed, as a body says it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from portal.api import ignored
from portal.api.native import parsing
from portal.api.native.parsing import Body
from portal.api.openapi.operations import OPTION_FIELDS
from portal.http.form_data import list_name
from portal.http.uploads import Upload
from transcription.options.options import TranscriptionOptions


def of_json(body: Body) -> TranscriptionOptions:
    """Raises InvalidOption."""
    return TranscriptionOptions.checked(**given(body))


def given(body: Body) -> dict[str, Any]:
    """The options that a JSON object gives, by name, each of its kind. An empty text gives none. Raises InvalidOption.

    What they may say is for TranscriptionOptions to check.
    """
    named: dict[str, Any] = {
        "model": parsing.text(body, "model"),
        "task": parsing.text(body, "task"),
        "language": parsing.text(body, "language"),
        "prompt": parsing.text(body, "prompt"),
        "temperature": parsing.number(body, "temperature"),
        "word_timestamps": parsing.flag(body, "word_timestamps"),
        "mode": parsing.text(body, "mode"),
        "hotwords": parsing.text(body, "hotwords"),
        "beam_size": parsing.whole(body, "beam_size"),
        "audio_track": parsing.whole(body, "audio_track"),
        "languages": ",".join(parsing.texts(body, "languages") or ()),
    }
    return {name: value for name, value in named.items() if value not in (None, "")}


def of_form(upload: Upload) -> TranscriptionOptions:
    """Raises InvalidOption. `ignored_headers` names fields that are none of ours."""
    return TranscriptionOptions.checked(
        model=upload.field("model"),
        task=upload.field("task") or "transcribe",
        language=upload.field("language"),
        prompt=upload.field("prompt"),
        temperature=upload.field("temperature") or 0.0,
        word_timestamps=upload.field("word_timestamps"),
        mode=upload.field("mode"),
        hotwords=upload.field("hotwords"),
        beam_size=upload.field("beam_size"),
        audio_track=upload.field("audio_track"),
        languages=",".join(upload.every("languages")),
    )


def ignored_headers(names: Iterable[str], *known: str) -> dict[str, str]:
    """The header that tells which fields of a form, or of `Upload-Metadata`, are neither options nor `known`."""
    return ignored.headers_of(name for name in names if name not in known and not _is_option(name))


def _is_option(name: str) -> bool:
    return name in OPTION_FIELDS or OPTION_FIELDS.get(list_name(name), {}).get("type") == "array"

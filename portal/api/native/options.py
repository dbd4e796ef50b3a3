"""How a recording is to be transcribed, as a body says it."""

from __future__ import annotations

from typing import Any

from portal.api.native import bodies
from portal.api.native.bodies import Body
from portal.receive import Upload
from transcription.options import TranscriptionOptions


def of_json(body: Body) -> TranscriptionOptions:
    """Raises InvalidOption."""
    return TranscriptionOptions.checked(**given(body))


def given(body: Body) -> dict[str, Any]:
    """The options that a JSON object gives, by name, each of its kind. An empty text gives none. Raises InvalidOption.

    What they may say is for TranscriptionOptions to check.
    """
    named: dict[str, Any] = {
        "model": bodies.text(body, "model"),
        "task": bodies.text(body, "task"),
        "language": bodies.text(body, "language"),
        "prompt": bodies.text(body, "prompt"),
        "temperature": bodies.number(body, "temperature"),
        "word_timestamps": bodies.flag(body, "word_timestamps"),
        "mode": bodies.text(body, "mode"),
        "hotwords": bodies.text(body, "hotwords"),
        "beam_size": bodies.whole(body, "beam_size"),
        "languages": ",".join(bodies.texts(body, "languages") or ()),
    }
    return {name: value for name, value in named.items() if value not in (None, "")}


def of_form(upload: Upload) -> TranscriptionOptions:
    """Fields that are none of ours are ignored. Raises InvalidOption."""
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
        languages=",".join(upload.every("languages")),
    )

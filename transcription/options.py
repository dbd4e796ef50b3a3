"""How a recording is to be transcribed, as a caller asks for it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from django.utils.translation import gettext as _

from transcription.catalogue import resolve_model
from transcription.languages import language_code
from transcription.models import Lane, Task

LONGEST_PROMPT = 2000


class InvalidOption(ValueError):
    """`param` names the option at fault, `code` is "invalid_value" or "model_not_found"."""

    def __init__(self, param: str, message: str, code: str = "invalid_value") -> None:
        super().__init__(message)
        self.param = param
        self.code = code


@dataclass(frozen=True)
class TranscriptionOptions:
    """Checked options; `language` is an ISO 639-1 code or empty to detect."""

    model: str
    task: str = Task.TRANSCRIBE
    language: str = ""
    prompt: str = ""
    temperature: float = 0.0
    word_timestamps: bool = False
    lane: int = Lane.STANDARD

    def fingerprint(self, content_sha256: str) -> str:
        """SHA-256 of all that decides the text: the content and every option but the lane."""
        options = {name: value for name, value in asdict(self).items() if name != "lane"}
        return hashlib.sha256(json.dumps({"content": content_sha256} | options, sort_keys=True).encode()).hexdigest()

    @classmethod
    def checked(
        cls,
        model: str = "",
        task: str = Task.TRANSCRIBE,
        language: str = "",
        prompt: str = "",
        temperature: str | float = 0.0,
        word_timestamps: bool = False,
        lane: int = Lane.STANDARD,
    ) -> TranscriptionOptions:
        """Raises InvalidOption."""
        if task not in Task.values:
            raise InvalidOption("task", _("“%(task)s” is not a task: transcribe or translate.") % {"task": task[:40]})
        return cls(
            model=_model(model),
            task=task,
            language=_language(language),
            prompt=_prompt(prompt),
            temperature=_temperature(temperature),
            word_timestamps=word_timestamps,
            lane=lane,
        )


def _model(name: str) -> str:
    model = resolve_model(name)
    if model is None:
        raise InvalidOption(
            "model", _("The model “%(name)s” does not exist here.") % {"name": name[:80]}, "model_not_found"
        )
    return model


def _language(text: str) -> str:
    if text.strip().lower() in ("", "auto", "detect"):
        return ""
    code = language_code(text)
    if code is None:
        raise InvalidOption("language", _("“%(code)s” is not a language Whisper knows.") % {"code": text[:40]})
    return code


def _prompt(text: str) -> str:
    if len(text) > LONGEST_PROMPT:
        raise InvalidOption("prompt", _("The prompt is longer than %(n)d characters.") % {"n": LONGEST_PROMPT})
    return text.replace("\x00", "")


def _temperature(value: str | float) -> float:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise InvalidOption("temperature", _("The temperature is a number from 0 to 1."))
    return number

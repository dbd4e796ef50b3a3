"""How a recording is to be transcribed, as a caller asks for it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass

from django.utils.translation import gettext as _

from tenants.models import LONGEST_HOTWORDS
from transcription.errors import InvalidOption
from transcription.models import MAX_BEAMS, Lane, Mode, Task
from transcription.options import hotwords as words
from transcription.options.languages import language_code
from transcription.options.offered_models import is_named, knows, resolve_model

LONGEST_PROMPT = 2000
MOST_TRACKS = 100
YES, NO = ("true", "1", "on", "yes"), ("", "false", "0", "off", "no")
LANGUAGE_SEPARATORS = re.compile(r"[,;\n\r，、；]")
NOT_OF_THE_TEXT = ("lane", "named_model")
SOUND_VERSION = 2
"""How recordings are decoded: another number keeps texts that were made of other sound from being reused."""


@dataclass(frozen=True)
class TranscriptionOptions:
    """Checked options; `language` is an ISO 639-1 code or empty to detect.

    `languages` are codes, sorted, with commas between them: detection is limited to these. There are none beside a
    `language`. `hotwords` are terms with commas between them. `audio_track` counts a file's audio tracks from 1; 0
    leaves it open. Where no model was named (`named_model`), `model` is the default one, and the tenant's settings may
    choose another: `preferences.applied` says what is done in the end.
    """

    model: str
    task: str = Task.TRANSCRIBE
    language: str = ""
    prompt: str = ""
    temperature: float = 0.0
    word_timestamps: bool = False
    mode: str = Mode.AUTO
    hotwords: str = ""
    beam_size: int = 1
    audio_track: int = 0
    languages: str = ""
    lane: int = Lane.STANDARD
    named_model: bool = True

    def fingerprint(self, content_sha256: str) -> str:
        """SHA-256 of all that decides the text: the content, how it is decoded, and every option.

        The lane and who chose the model are no part of it.
        """
        options = {name: value for name, value in asdict(self).items() if name not in NOT_OF_THE_TEXT}
        whole = {"content": content_sha256, "sound": SOUND_VERSION} | options
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()

    @classmethod
    def checked(
        cls,
        model: str = "",
        task: str = Task.TRANSCRIBE,
        language: str = "",
        prompt: str = "",
        temperature: str | float = 0.0,
        word_timestamps: str | bool = False,
        mode: str = Mode.AUTO,
        hotwords: str = "",
        beam_size: str | int = 1,
        audio_track: str | int = "",
        languages: str = "",
        lane: int = Lane.STANDARD,
    ) -> TranscriptionOptions:
        """`languages` are codes or names, with commas or lines between them. Raises InvalidOption."""
        if task not in Task.values:
            raise InvalidOption("task", _("“%(task)s” is not a task: transcribe or translate.") % {"task": task[:40]})
        own_name = offered_model(model)
        spoken, among = _language(language), checked_languages(languages)
        if not spoken and len(codes_of(among)) == 1:
            spoken, among = among, ""
        _check_known(own_name, "language", spoken)
        for code in codes_of(among):
            _check_known(own_name, "languages", code)
        return cls(
            model=own_name,
            task=task,
            language=spoken,
            languages="" if spoken else among,
            prompt=_prompt(prompt),
            temperature=_temperature(temperature),
            word_timestamps=_flag("word_timestamps", word_timestamps),
            mode=_mode(mode),
            hotwords=_hotwords(hotwords),
            beam_size=_beam_size(beam_size),
            audio_track=checked_track(audio_track),
            lane=lane,
            named_model=is_named(model),
        )


def offered_model(name: str) -> str:
    """Our name for the model that a caller called `name`. Raises InvalidOption."""
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


def checked_languages(text: str) -> str:
    """The codes of a list of codes or English names, sorted, with commas between them. Raises InvalidOption."""
    unknown = [name for name in _language_names(text) if language_code(name) is None]
    if unknown:
        raise InvalidOption("languages", _("“%(code)s” is not a language Whisper knows.") % {"code": unknown[0][:40]})
    return ",".join(known_languages(text))


def known_languages(text: str) -> list[str]:
    """The codes of a list of codes or English names, sorted; what is no language is left out."""
    return sorted({code for name in _language_names(text) if (code := language_code(name))})


def _language_names(text: str) -> list[str]:
    return [name for part in LANGUAGE_SEPARATORS.split(text) if (name := part.strip())]


def codes_of(languages: str) -> list[str]:
    return languages.split(",") if languages else []


def _check_known(model: str, param: str, code: str) -> None:
    if code and not knows(model, code):
        message = _("The model “%(model)s” does not know the language “%(code)s”. Choose another model or language.")
        raise InvalidOption(param, message % {"model": model, "code": code})


def _prompt(text: str) -> str:
    if len(text) > LONGEST_PROMPT:
        raise InvalidOption("prompt", _("The prompt is longer than %(n)d characters.") % {"n": LONGEST_PROMPT})
    return text.replace("\x00", "")


def _flag(name: str, value: str | bool) -> bool:
    text = str(value).strip().lower()
    if text not in YES + NO:
        raise InvalidOption(name, _("“%(name)s” is true or false.") % {"name": name})
    return text in YES


def _mode(text: str) -> str:
    wanted = text.strip().lower() or Mode.AUTO.value
    if wanted not in Mode.values:
        raise InvalidOption("mode", _("“%(mode)s” is not a mode: auto, exact or fast.") % {"mode": text[:40]})
    return wanted


def _hotwords(text: str) -> str:
    text = text.replace("\r\n", "\n")
    if len(text) > LONGEST_HOTWORDS:
        message = _("The names and terms are longer than %(n)d characters together.") % {"n": LONGEST_HOTWORDS}
        raise InvalidOption("hotwords", message)
    return words.joined(text)


def _beam_size(value: str | int) -> int:
    try:
        number = int(str(value).strip() or 1)
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_BEAMS:
        raise InvalidOption("beam_size", _("The beam size is a whole number from 1 to %(n)d.") % {"n": MAX_BEAMS})
    return number


def checked_track(value: str | int) -> int:
    """The number of an audio track, 0 where none is named. Raises InvalidOption."""
    text = str(value).strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST_TRACKS):
        message = _("The audio track is a whole number from 1 to %(n)d; leave it out for the file’s default one.")
        raise InvalidOption("audio_track", message % {"n": MOST_TRACKS})
    return int(text)


def _temperature(value: str | float) -> float:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise InvalidOption("temperature", _("The temperature is a number from 0 to 1."))
    return number

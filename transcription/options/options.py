"""How a recording is to be transcribed, as a caller asks for it: the one list of options, for every way in.

To add an option, add a column to Transcription and a field to TranscriptionOptions. Both APIs and their schema, tus
metadata, URL fetches, the portal's form and details, the admin and the fingerprint derive from these two.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import partial
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from tenants.models import LONGEST_HOTWORDS
from transcription.errors import InvalidOption
from transcription.models import MAX_BEAMS, Lane, Mode, Task, Transcription
from transcription.options import hotwords as words
from transcription.options.languages import language_code
from transcription.options.offered_models import is_named, knows, resolve_model, tells_apart
from transcription.options.speakers import AUTO, OFF, KnownVoice, checked_speakers

LONGEST_PROMPT = 2000
MOST_TRACKS = 100
YES, NO = ("true", "1", "on", "yes"), ("", "false", "0", "off", "no")
LANGUAGE_SEPARATORS = re.compile(r"[,;\n\r，、；]")
NOT_OF_THE_TEXT = ("lane", "named_model", "folder_hotwords")
SOUND_VERSION = 2
"""How recordings are decoded: another number keeps texts that were made of other sound from being reused."""


DIARIZATION_VERSION = 1
"""How speakers are told apart: another number keeps earlier results from being reused where they are asked for."""


def offered_model(name: str) -> str:
    """Returns our name for the model that a caller calls `name`. Raises InvalidOption."""
    model = resolve_model(name)
    if model is None:
        raise InvalidOption(
            "model", _("The model “%(name)s” does not exist here.") % {"name": name[:80]}, "model_not_found"
        )
    return model


def _task(text: str) -> str:
    if text not in Task.values:
        raise InvalidOption("task", _("“%(task)s” is not a task: transcribe or translate.") % {"task": text[:40]})
    return text


def _language(text: str) -> str:
    if text.strip().lower() in ("", "auto", "detect"):
        return ""
    code = language_code(text)
    if code is None:
        raise InvalidOption("language", _("“%(code)s” is not a language Whisper knows.") % {"code": text[:40]})
    return code


def checked_languages(sent: str | list[str]) -> str:
    """Returns the codes of codes or English names, sorted, with commas between them. Raises InvalidOption."""
    text = sent if isinstance(sent, str) else ",".join(sent)
    unknown = [name for name in _language_names(text) if language_code(name) is None]
    if unknown:
        raise InvalidOption("languages", _("“%(code)s” is not a language Whisper knows.") % {"code": unknown[0][:40]})
    return ",".join(known_languages(text))


def known_languages(text: str) -> list[str]:
    """Returns the codes of a list of codes or English names, sorted; what is no language is left out."""
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
        raise InvalidOption(name, _("“%(name)s” must be true or false.") % {"name": name})
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
        raise InvalidOption("beam_size", _("The beam size must be a whole number from 1 to %(n)d.") % {"n": MAX_BEAMS})
    return number


def checked_track(value: str | int) -> int:
    """Returns the number of an audio track, 0 for an empty text. Raises InvalidOption."""
    text = str(value).strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST_TRACKS):
        message = _("The audio track must be a whole number from 1 to %(n)d; leave it out for the file’s default one.")
        raise InvalidOption("audio_track", message % {"n": MOST_TRACKS})
    return int(text)


def _temperature(value: str | float) -> float:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise InvalidOption("temperature", _("The temperature must be a number from 0 to 1."))
    return number


class Option(NamedTuple):
    """How the value of an option is checked and described.

    check: takes what was sent, as text or as JSON's own type, and returns what is stored; raises InvalidOption.
    schema: the JSON Schema of what the native API takes.
    """

    check: Callable[[Any], Any]
    schema: dict[str, Any]

    @property
    def is_list(self) -> bool:
        return bool(self.schema["type"] == "array")


def option(check: Callable[[Any], Any], schema: dict[str, Any], default: Any = MISSING) -> Any:
    """Declares a field of TranscriptionOptions that callers may set."""
    return field(default=default, metadata={"option": Option(check, schema)})


@dataclass(frozen=True)
class TranscriptionOptions:
    """Checked options.

    language: an ISO 639-1 code, or empty to detect. languages: sorted codes with commas between them, to which
    detection is limited; empty beside a `language`. hotwords: terms with commas between them. audio_track: counts the
    file's audio tracks from 1; 0 leaves it open. speakers: `off`, `auto`, a number or a range; empty for the tenant's
    choice. named_model: whether the caller named the model; where they did not,
    `model` is the default one, and the tenant's settings may choose another (`tenant_defaults.apply`).

    known_speakers: voices by which speakers are named; they belong to one request and are no column. enrolled: what
    tells which members' voices are enrolled, as `tenant_defaults` finds them; no column, either. folder_hotwords: those
    of the hotwords that only the folder's terms have, as `tenant_defaults` finds them.
    """

    model: str = option(
        offered_model,
        {"type": "string", "description": "A name of `GET /v1/models`; the organisation's choice unless given."},
    )
    task: str = option(_task, {"type": "string", "enum": list(Task.values)}, Task.TRANSCRIBE)
    language: str = option(
        _language, {"type": "string", "description": "ISO 639-1; detected where it is not given."}, ""
    )
    prompt: str = option(_prompt, {"type": "string", "maxLength": LONGEST_PROMPT}, "")
    temperature: float = option(_temperature, {"type": "number", "minimum": 0, "maximum": 1, "default": 0}, 0.0)
    word_timestamps: bool = option(partial(_flag, "word_timestamps"), {"type": "boolean"}, False)
    mode: str = option(_mode, {"type": "string", "enum": list(Mode.values), "default": "auto"}, Mode.AUTO)
    hotwords: str = option(
        _hotwords,
        {
            "type": "string",
            "maxLength": LONGEST_HOTWORDS,
            "description": "Names and terms, with commas between them.",
        },
        "",
    )
    beam_size: int = option(_beam_size, {"type": "integer", "minimum": 1, "maximum": MAX_BEAMS, "default": 1}, 1)
    audio_track: int = option(
        checked_track,
        {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_TRACKS,
            "description": "Of several in the file; without it the default one, or the first that is not silent.",
        },
        0,
    )
    speakers: str = option(
        checked_speakers,
        {
            "type": "string",
            "pattern": r"^(off|auto|\d{1,2}(-\d{1,2})?)$",
            "description": "`off`, `auto`, how many speakers there are, or a range such as `2-4`; the organisation's "
            "choice unless given.",
        },
        "",
    )
    languages: str = option(
        checked_languages,
        {
            "type": "array",
            "items": {"type": "string"},
            "description": "ISO 639-1; where `language` is not given, detection is limited to these.",
        },
        "",
    )
    lane: int = Lane.STANDARD
    named_model: bool = True
    known_speakers: tuple[KnownVoice, ...] = ()
    enrolled: str = ""
    folder_hotwords: str = ""

    @classmethod
    def checked(cls, lane: int = Lane.STANDARD, **sent: Any) -> TranscriptionOptions:
        """Returns the options that a caller sent, by name; an empty text is as if it was left out.

        Raises InvalidOption.
        """
        given = {name: value for name, value in sent.items() if value not in ("", None)}
        values = {name: OPTIONS[name].check(value) for name, value in given.items()}
        model = values.pop("model", None) or offered_model("")
        if tells_apart(given.get("model", "")):
            values.setdefault("speakers", AUTO)
        options = cls(model, **values, lane=lane, named_model=is_named(given.get("model", "")))
        return options._with_settled_language()

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> TranscriptionOptions:
        """Returns the options among the fields of a form or of metadata. Raises InvalidOption."""
        return cls.checked(**{name: fields[name] for name in OPTIONS if name in fields})

    @classmethod
    def from_row(cls, row: Transcription) -> TranscriptionOptions:
        """Returns the options under which a transcription is made, the tenant's defaults included."""
        return cls(**{name: getattr(row, name) for name in OPTIONS})

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of a Transcription that hold these options: all but the lane, which its length decides, too."""
        return {name: getattr(self, name) for name in OPTIONS}

    @property
    def chosen(self) -> dict[str, Any]:
        """The fields that differ from their defaults: an option that is added later changes no earlier hash of them."""
        chosen = {one.name: value for one in fields(self) if (value := getattr(self, one.name)) != one.default}
        voices = {"known_speakers": [voice.identity for voice in self.known_speakers]} if self.known_speakers else {}
        return chosen | voices

    def fingerprint(self, content_sha256: str) -> str:
        """Returns the SHA-256 of all that decides the text: the content, how it is decoded, and every option.

        The lane and who chose the model are no part of it.
        """
        options = {name: value for name, value in self.chosen.items() if name not in NOT_OF_THE_TEXT}
        if options.get("speakers") == OFF:  # as it was before they could be told apart
            del options["speakers"]
        elif "speakers" in options:
            options["diarization"] = DIARIZATION_VERSION
        whole = {"content": content_sha256, "sound": SOUND_VERSION} | options
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()

    def _with_settled_language(self) -> TranscriptionOptions:
        """Takes the only one of `languages` for `language`, and drops them beside one. Raises InvalidOption."""
        codes = codes_of(self.languages)
        _check_known(self.model, "language", self.language)
        for code in codes:
            _check_known(self.model, "languages", code)
        if not self.language and len(codes) == 1:
            return replace(self, language=codes[0], languages="")
        return replace(self, languages="" if self.language else self.languages)


OPTIONS: dict[str, Option] = {
    one.name: one.metadata["option"] for one in fields(TranscriptionOptions) if "option" in one.metadata
}
"""The options that callers may set, by name."""

"""Labels of audio tracks."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.web.languages import language_name
from transcription.models import Recording
from transcription.options.audio_tracks import NumberedTrack, numbered
from transcription.options.languages import from_three_letters


def label(track: NumberedTrack) -> str:
    """Returns a label such as `Track 2: Opus, stereo, German`, with the title if it has one."""
    facts = [_codec(track["codec"]), _channels(track["channels"]), _language(track["language"]), track["title"]]
    return _("Track %(number)d: %(facts)s") % {
        "number": track["number"],
        "facts": ", ".join(fact for fact in facts if fact),
    }


def choices(recording: Recording) -> list[tuple[str, str]]:
    """Returns the choices of a form field: automatic, then each track."""
    tracks = [(str(track["number"]), label(track)) for track in numbered(recording)]
    return [("", _("Automatic: the file’s default one, or the first with sound")), *tracks]


def _codec(name: str) -> str:
    return "PCM" if name.startswith("pcm_") else name.upper() if len(name) < 5 and name != "opus" else name.capitalize()


def _channels(count: int) -> str:
    match count:
        case 0:
            return ""
        case 1:
            return _("mono")
        case 2:
            return _("stereo")
    return ngettext("%(n)d channel", "%(n)d channels", count) % {"n": count}


def _language(code: str) -> str:
    return language_name(from_three_letters(code)) if code else ""

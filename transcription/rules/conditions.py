"""What a rule asks of an arrival: all of its conditions must hold; one without any always holds."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants.access import Actor
from tenants.models import ApiKey, Member
from transcription.errors import InvalidOption
from transcription.folders import folders
from transcription.models import Recording, Way

LONGEST_PATTERN = 200
MOST_STARS = 8
LONGEST_SECONDS = 7 * 24 * 3600
OF_THE_SOUND = ("least_seconds", "most_seconds", "channels")
"""Conditions that are known only once the file was looked into."""


class Channels(models.TextChoices):
    MONO = "mono", gettext_lazy("One (mono)")
    STEREO = "stereo", gettext_lazy("Two (stereo)")
    MORE = "more", gettext_lazy("More than two")

    @classmethod
    def of(cls, count: int) -> str:
        """Returns "" where the count is not known."""
        return {0: "", 1: cls.MONO.value, 2: cls.STEREO.value}.get(count, cls.MORE.value)


@dataclass(frozen=True)
class Arrival:
    """What is known of a recording when it arrives. `seconds` is None as long as nobody looked into the file."""

    way: str
    key: str
    member: str
    folder: str
    name: str
    sender: str = ""
    seconds: float | None = None
    channels: int = 0

    @classmethod
    def of(cls, row: Recording) -> Arrival:
        """Describes a recording as if it arrived now."""
        return cls(
            way=row.way or (Way.API if row.source == Recording.Source.API else Way.PORTAL),
            key=str(row.api_key_id or ""),
            member=str(row.created_by_id or ""),
            folder=str(row.folder_id or ""),
            name=row.name,
            sender=row.sender,
            seconds=row.duration_seconds,
            channels=channels_of(row),
        )


def channels_of(row: Recording) -> int:
    """Returns how many channels the audio track has that is transcribed; 0 where that is not known."""
    tracks = row.audio_tracks
    index = max(0, row.audio_track - 1)
    return int(tracks[index]["channels"]) if index < len(tracks) else 0


def hold(conditions: Mapping[str, Any], arrival: Arrival) -> bool:
    """Returns whether all conditions hold; those of the sound count only where it is known."""
    for name in ("way", "key", "member", "folder"):
        if name in conditions and conditions[name] != getattr(arrival, name):
            return False
    if "sender" in conditions and not arrival.sender:
        return False
    for name, text in (("file", arrival.name), ("sender", arrival.sender)):
        if name in conditions and not fnmatchcase(_folded(text), _folded(conditions[name])):
            return False
    return arrival.seconds is None or _sound_holds(conditions, arrival.seconds, arrival.channels)


def _sound_holds(conditions: Mapping[str, Any], seconds: float, channels: int) -> bool:
    if seconds < conditions.get("least_seconds", 0) or seconds > conditions.get("most_seconds", LONGEST_SECONDS):
        return False
    return "channels" not in conditions or conditions["channels"] == Channels.of(channels)


def needs_sound(conditions: Mapping[str, Any]) -> bool:
    return any(name in conditions for name in OF_THE_SOUND)


def checked(actor: Actor, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the conditions that were sent, without those that were left empty. Raises InvalidOption."""
    given = {name: value for name, value in sent.items() if value not in ("", None)}
    if given.get("least_seconds", 0) > given.get("most_seconds", LONGEST_SECONDS):
        raise InvalidOption("most_seconds", _("The longest is shorter than the shortest: no recording would match."))
    return {name: CHECKS[name](actor, value) for name, value in given.items()}


def _way(actor: Actor, value: str) -> str:
    if value not in Way.values:
        raise InvalidOption("way", _("It must be one of: %(known)s.") % {"known": ", ".join(Way.values)})
    return value


def _key(actor: Actor, value: str) -> str:
    key_id = as_id(value)
    if key_id is None or not ApiKey.objects.filter(tenant=actor.tenant, id=key_id).exists():
        raise InvalidOption("key", _("There is no such key."))
    return str(key_id)


def _member(actor: Actor, value: str) -> str:
    """Takes an e-mail address, or a person's number as it is stored."""
    people = Member.objects.filter(tenant=actor.tenant)
    is_number = value.isascii() and value.isdigit() and len(value) < 10
    named = people.filter(user_id=int(value)) if is_number else people.filter(user__email=value.strip().lower())
    found = named.first() if "\x00" not in value else None
    if found is None:
        raise InvalidOption("member", _("There is no such member."))
    return str(found.user_id)


def shared_folder(actor: Actor, value: str) -> str:
    """Returns the id of a folder that the actor sees and that is nobody's private one. Raises InvalidOption."""
    found = folders.chosen(actor, value)
    if found is None or found.is_private:
        raise InvalidOption("folder", _("There is no folder “%(name)s”.") % {"name": value[:80]})
    return str(found.id)


def _pattern(name: str) -> Any:
    def check(actor: Actor, value: str) -> str:
        text = value.strip().replace("\x00", "")
        if not text or len(text) > LONGEST_PATTERN or text.count("*") > MOST_STARS:
            message = _("A pattern has at most %(n)d characters and %(stars)d asterisks.")
            raise InvalidOption(name, message % {"n": LONGEST_PATTERN, "stars": MOST_STARS})
        return text

    return check


def _seconds(name: str) -> Any:
    def check(actor: Actor, value: int) -> int:
        if not 0 <= value <= LONGEST_SECONDS:
            raise InvalidOption(name, _("A length is from 0 to %(n)d seconds.") % {"n": LONGEST_SECONDS})
        return value

    return check


def _channels(actor: Actor, value: str) -> str:
    if value not in Channels.values:
        raise InvalidOption("channels", _("It must be one of: %(known)s.") % {"known": ", ".join(Channels.values)})
    return value


CHECKS: dict[str, Any] = {
    "way": _way,
    "key": _key,
    "member": _member,
    "folder": shared_folder,
    "file": _pattern("file"),
    "sender": _pattern("sender"),
    "least_seconds": _seconds("least_seconds"),
    "most_seconds": _seconds("most_seconds"),
    "channels": _channels,
}


def as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()

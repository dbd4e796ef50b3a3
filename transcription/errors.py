"""Refusals and failures, each with a code, parameters and a message for people.

Nothing here knows HTTP: portal/http/statuses.py does.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.template.defaultfilters import date as date_format
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from tenants import notices, refusals
from tenants.models import Tenant
from tenants.quota import QuotaExceeded

REASONS_OF_THE_FILE = (
    "not_media", "format_not_taken", "no_audio", "no_such_track", "too_short", "too_long", "too_complex",
)  # fmt: skip
REASONS_AT_FAULT = {*REASONS_OF_THE_FILE, "quota", "rejected"}
OUR_FAULTS = {"busy", "interrupted", "no_room", "storage_unavailable"}


class Refused(Exception):
    """A request was refused: nothing is charged or stored.

    `message` tells people the cause and what to do; `parameters` are further JSON fields for programs.
    """

    def __init__(self, code: str, message: str, **parameters: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.parameters = parameters

    @property
    def may_succeed_later(self) -> bool:
        """Whether the cause is temporary, so that the same request may succeed later."""
        return self.code in OUR_FAULTS


class InvalidOption(ValueError):
    """`param` names the option at fault, `code` is "invalid_value" or "model_not_found"."""

    def __init__(self, param: str, message: str, code: str = "invalid_value") -> None:
        super().__init__(message)
        self.param = param
        self.code = code


@dataclass(frozen=True)
class Failure:
    """`detail` is for operators and logs; people read `reason_for_people(code)`."""

    code: str
    detail: str

    @property
    def may_succeed_later(self) -> bool:
        return self.code not in REASONS_AT_FAULT

    @classmethod
    def abandoned(cls) -> Failure:
        return cls("abandoned", "The worker or its machine went away.")

    @classmethod
    def lost_worker(cls) -> Failure:
        return cls("lost_worker", "The worker showed no progress within its lease.")


def reason_for_people(code: str) -> str:
    """Returns one or two sentences that name the cause and the way out."""
    reasons = {
        "not_media": _("This file is damaged or not audio: nothing in it could be decoded. Check that it plays."),
        "format_not_taken": _(
            "This format is not taken: it packs or names other files, has no sound of its own, or does not say what "
            "it is. Unpack the recording, or convert it to WAV, MP3, M4A or FLAC, and try again."
        ),
        "no_audio": _("This file has no sound. Upload one that has an audio track."),
        "no_such_track": _("The file has no audio track of this number. Choose another one."),
        "too_short": _("The audio is shorter than a tenth of a second."),
        "too_long": _("The recording is longer than your organisation allows. Split it, or ask for a higher limit."),
        "too_complex": _(
            "Reading this file takes more memory or time than a recording may. Convert it to WAV or MP3 and try again."
        ),
        "quota": _("The recording proved longer than the minutes left this month. Nothing was charged."),
        "rejected": _("The options can't be used for this recording. Choose others and try again."),
        "lost_worker": _("The work stopped three times without a result. Nothing was charged; try again or ask us."),
        "abandoned": _("The machines that worked on it went away again and again. Nothing was charged; try again."),
        "engine": _("The transcription engine failed three times on this recording. Nothing was charged; try again."),
        "decoder": _("Reading the audio was cut off three times. Nothing was charged; try again, or a smaller file."),
        "storage": _("The stored audio could not be read. Nothing was charged; try again in a few minutes."),
    }
    return reasons.get(code, _("Something went wrong on our side. Nothing was charged; please try again."))


def over_quota_noted(tenant: Tenant, exceeded: QuotaExceeded) -> Refused:
    """Returns the refusal, and raises a notice to the tenant's owners if nothing is left."""
    if exceeded.left <= 0:
        notices.note_refusal(tenant, exceeded.limit_name)
    return over_quota(tenant, exceeded)


def over_quota(tenant: Tenant, exceeded: QuotaExceeded) -> Refused:
    """Counts the refusal and returns it; it says how much is needed, how much is left and when that changes."""
    refusals.count(tenant, exceeded.limit_name)
    resets_at = {"resets_at": exceeded.resets_at.isoformat()} if exceeded.resets_at else {}
    return Refused(f"quota_{exceeded.limit_name}", _quota_message(exceeded), **resets_at)


def _quota_message(exceeded: QuotaExceeded) -> str:
    if exceeded.limit_name == "monthly_seconds":
        return _("This needs %(needed)s of audio, %(left)s are left this month; the quota resets on %(date)s.") % {
            "needed": minutes(exceeded.needed),
            "left": minutes(exceeded.left),
            "date": date_format(exceeded.resets_at, pgettext("date format", "j F Y")),
        }
    if exceeded.limit_name == "recording_seconds":
        return _("The recording is longer than the %(limit)s your organisation allows. Split it and try again.") % {
            "limit": minutes(exceeded.limit)
        }
    if exceeded.limit_name == "upload_bytes":
        return _("The file is larger than the %(limit)s your organisation allows. Split or compress it.") % {
            "limit": filesizeformat(exceeded.limit)
        }
    return _("This needs %(needed)s of storage, %(left)s are left. Delete recordings to make room.") % {
        "needed": filesizeformat(exceeded.needed),
        "left": filesizeformat(exceeded.left),
    }


def minutes(seconds: int) -> str:
    """Formats audio seconds as people say them: `45 s`, `20 min`, `7 min 30 s`."""
    whole, rest = divmod(seconds, 60)
    if not whole:
        return _("%(n)d s") % {"n": rest}
    text = ngettext("%(n)d min", "%(n)d min", whole) % {"n": whole}
    return f"{text} {rest} s" if rest else text

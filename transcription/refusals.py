"""What is not accepted, and how that is said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.template.defaultfilters import date as date_format
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from tenants import notices
from tenants.models import Tenant
from tenants.quota import QuotaExceeded

STATUS_OF_LIMIT = {"upload_bytes": 413, "recording_seconds": 422, "monthly_seconds": 402, "stored_bytes": 402}


@dataclass(eq=False)
class Refused(Exception):
    """Not accepted, nothing charged, nothing kept. `message` names the cause and the way out.

    A `status` of 500 and more is a fault of ours: the same may be accepted later.
    """

    code: str
    message: str
    status: int
    resets_at: datetime | None = None

    def __str__(self) -> str:
        return self.message

    @property
    def may_succeed_later(self) -> bool:
        """Whether it says nothing about the file."""
        return self.status >= 500


def over_quota_noted(tenant: Tenant, exceeded: QuotaExceeded) -> Refused:
    """The refusal; where nothing is left at all, the tenant's owners are told too."""
    if exceeded.left <= 0:
        notices.note_refusal(tenant, exceeded.limit_name)
    return over_quota(exceeded)


def over_quota(exceeded: QuotaExceeded) -> Refused:
    """The refusal that says how much is needed, how much is left and when that changes."""
    return Refused(
        code=f"quota_{exceeded.limit_name}",
        message=_quota_message(exceeded),
        status=STATUS_OF_LIMIT[exceeded.limit_name],
        resets_at=exceeded.resets_at,
    )


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
    """Audio seconds as people say them: `45 s`, `20 min`, `7 min 30 s`."""
    whole, rest = divmod(seconds, 60)
    if not whole:
        return _("%(n)d s") % {"n": rest}
    text = ngettext("%(n)d min", "%(n)d min", whole) % {"n": whole}
    return f"{text} {rest} s" if rest else text

"""Notices to owners at 80 % and 100 % of a limit: one e-mail each, and a banner on the pages until it is dismissed.

A notice is a row, unique by tenant, limit, month and percentage, so that concurrent sweepers raise it once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from functools import reduce
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404
from django.template.defaultfilters import date as date_format
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from tenants import mails, quota, scope, units
from tenants.access import Actor
from tenants.models import Member, Notice, Quota, Role, Tenant, UsageMonth
from tenants.quota import QuotaSnapshot

PERCENTAGES = (100, 80)
LOWEST = min(PERCENTAGES)
TIME_IS_LOW = Q(gone__gte=F("monthly_seconds") - F("monthly_seconds") / 5)
STORAGE_IS_LOW = Q(stored_bytes_used__gte=F("stored_bytes") - F("stored_bytes") / 5)


@dataclass(frozen=True)
class CurrentNotice:
    """A notice with the tenant's current figures, worded for people."""

    notice: Notice
    snapshot: QuotaSnapshot

    @property
    def percent(self) -> int:
        """The current percentage, which may differ from the one that the notice was raised at."""
        if self.is_storage:
            return self.snapshot.stored_percent
        return self.snapshot.percent

    @property
    def is_current(self) -> bool:
        return self.percent >= LOWEST

    @property
    def is_storage(self) -> bool:
        return self.notice.limit == Notice.Limit.STORED_BYTES

    @property
    def is_full(self) -> bool:
        return self.notice.percent >= 100 and self.percent >= 100

    @property
    def is_refusal(self) -> bool:
        """Whether a recording was refused because it needed more than is left."""
        return self.notice.percent == Notice.REFUSED and not self.is_full

    @property
    def title(self) -> str:
        if self.is_storage:
            return self._storage_title()
        if self.is_full:
            return _("This month’s limit of audio minutes is reached")
        if self.is_refusal:
            return _("A recording was refused: few audio minutes are left this month")
        return _("Few audio minutes are left this month")

    @property
    def figure(self) -> str:
        snapshot = self.snapshot
        if self.is_storage:
            words = _("%(used)s of %(limit)s are in use (%(percent)d %%).")
            used, limit = units.size(snapshot.quota.stored_bytes_used), units.size(snapshot.quota.stored_bytes)
        else:
            words = _("%(used)s of %(limit)s are used, or held for work under way (%(percent)d %%).")
            used, limit = units.audio(snapshot.gone_seconds), units.audio(snapshot.quota.monthly_seconds)
        return words % {"used": used, "limit": limit, "percent": self.percent}

    @property
    def remainder(self) -> str:
        if not self.is_refusal:
            return ""
        left = units.size(self.snapshot.left_bytes) if self.is_storage else units.audio(self.snapshot.left_seconds)
        return _("What is left: %(left)s.") % {"left": left}

    @property
    def consequence(self) -> str:
        if not (self.is_full or self.is_refusal):
            return ""
        return _("Recordings that need more than what is left are refused.")

    @property
    def way_out(self) -> str:
        if self.is_storage:
            return _("Deleting recordings makes room.")
        day = date_format(self.snapshot.resets_at.astimezone(UTC), pgettext("date format", "j F Y"))
        return _("The minutes reset on %(date)s (UTC).") % {"date": day}

    @property
    def text(self) -> str:
        parts = (self.figure, self.remainder, self.consequence, self.way_out)
        return reduce(_join_sentences, (part for part in parts if part))

    def _storage_title(self) -> str:
        if self.is_full:
            return _("The limit of storage is reached")
        if self.is_refusal:
            return _("A recording was refused: little storage is left")
        return _("Little storage is left")


def raise_due() -> int:
    """Raises the notices that this month's figures require, by three queries; returns the number of new ones."""
    month = quota.this_month()
    with scope.across_tenants("every tenant's owners are told"):
        reached = [notice for row in _near_a_limit() for notice in _reached(row)]
        earlier = Notice.objects.filter(month=month, tenant__in={notice.tenant_id for notice in reached})
        known = {(notice.tenant_id, notice.limit, notice.percent) for notice in earlier}
        due = [notice for notice in reached if not _is_known(notice, known)]
        Notice.objects.bulk_create(due, ignore_conflicts=True)
    return len(due)


def note_refusal(tenant: Tenant, limit_name: str) -> None:
    """Raises a notice that a recording was refused: once a month, unless the limit was reached before."""
    if limit_name not in Notice.Limit.values:
        return
    refused = Notice(tenant=tenant, limit=limit_name, month=quota.this_month(), percent=Notice.REFUSED)
    with scope.bound(tenant.id):
        if not Notice.objects.filter(limit=refused.limit, month=refused.month, percent__gte=100).exists():
            Notice.objects.bulk_create([refused], ignore_conflicts=True)


def current(tenant: Tenant, snapshot: QuotaSnapshot | None = None) -> list[CurrentNotice]:
    """Returns this month's notices that still apply and are not dismissed, the highest of each limit.

    `snapshot` is the tenant's, if the caller has it.
    """
    with scope.bound(tenant.id):
        rows = list(_highest().filter(dismissed_at=None, month=quota.this_month()))
    if not rows:
        return []
    snapshot = snapshot or quota.snapshot(tenant)
    return [shown for shown in (CurrentNotice(notice, snapshot) for notice in rows) if shown.is_current]


def dismiss(actor: Actor, notice_id: int) -> bool:
    """Hides a notice for all users; returns False if it was hidden before. Raises PermissionDenied and Http404."""
    actor.require("notices.manage")
    with scope.bound(actor.tenant.id):
        rows = Notice.objects.filter(tenant=actor.tenant, id=notice_id)
        if not rows.exists():
            raise Http404(_("There is no such notice."))
        return rows.filter(dismissed_at=None).update(dismissed_at=timezone.now()) == 1


def send_due() -> int:
    """E-mails the owners about notices that still apply; returns the number of notices sent."""
    with scope.across_tenants("every tenant's owners are told"):
        return MAILS.send_due()


def _message(notice: Notice) -> EmailMessage:
    current_notice = CurrentNotice(notice, quota.snapshot(notice.tenant))
    name = " ".join(notice.tenant.name.split())  # a line break would end the header
    lines = (
        _("%(title)s for %(tenant)s.") % {"title": current_notice.title, "tenant": name},
        current_notice.text,
        _("Where it went: %(url)s") % {"url": f"{settings.PORTAL_URL}/usage/"},
        _("You get this message because you are an owner of %(tenant)s. It is sent once a month.") % {"tenant": name},
    )
    return EmailMessage(
        subject=f"{current_notice.title}: {name}",
        body="\n\n".join(lines) + "\n",
        to=_owners(notice),
    )


def _owners(notice: Notice) -> list[str]:
    owners = Member.objects.filter(tenant_id=notice.tenant_id, role=Role.OWNER, user__is_active=True)
    return list(owners.order_by("id").values_list("user__email", flat=True))


def _unsent() -> QuerySet[Notice]:
    """Returns this month's notices that still apply, the highest of each limit, in tenants with owners."""
    owners = Member.objects.filter(tenant=OuterRef("tenant"), role=Role.OWNER, user__is_active=True)
    rows = _highest().filter(_still_applies(), Exists(owners), month=quota.this_month(), tenant__is_active=True)
    return rows.select_related("tenant")


MAILS = mails.MailQueue("notices", lambda _now: _unsent(), _message, sent="emailed_at")


def _highest() -> QuerySet[Notice]:
    """Returns the highest notice of each tenant, limit and month."""
    same = Q(tenant=OuterRef("tenant"), limit=OuterRef("limit"), month=OuterRef("month"))
    return Notice.objects.filter(~Exists(Notice.objects.filter(same, percent__gt=OuterRef("percent"))))


def _still_applies() -> Q:
    """Matches notices of limits that are used up to 80 % now."""
    rows = _quotas().filter(tenant=OuterRef("tenant"))
    time_is_low = Q(Exists(rows.filter(TIME_IS_LOW)), limit=Notice.Limit.MONTHLY_SECONDS)
    storage_is_low = Q(Exists(rows.filter(STORAGE_IS_LOW)), limit=Notice.Limit.STORED_BYTES)
    return time_is_low | storage_is_low


def _near_a_limit() -> QuerySet[Quota]:
    """Returns the quotas of active tenants of which a limit is used up to 80 %."""
    is_low = (TIME_IS_LOW & Q(monthly_seconds__gt=0)) | (STORAGE_IS_LOW & Q(stored_bytes__gt=0))
    return _quotas().filter(is_low, tenant__is_active=True)


def _quotas() -> QuerySet[Quota]:
    """Annotates quotas with `gone`, this month's used and reserved audio seconds."""
    usage = UsageMonth.objects.filter(tenant=OuterRef("tenant"), month=quota.this_month())
    seconds = Subquery(usage.values_list(F("used_seconds") + F("reserved_seconds"))[:1], output_field=BigIntegerField())
    return Quota.objects.annotate(gone=Coalesce(seconds, 0))


def _reached(row: Any) -> Iterator[Notice]:
    """Yields a notice with the highest percentage reached of each limit; `row` is a quota of `_quotas`."""
    for limit, gone, most in (
        (Notice.Limit.MONTHLY_SECONDS, row.gone, row.monthly_seconds),
        (Notice.Limit.STORED_BYTES, row.stored_bytes_used, row.stored_bytes),
    ):
        percent = next((percent for percent in PERCENTAGES if most and gone * 100 >= percent * most), None)
        if percent is not None:
            yield Notice(tenant_id=row.tenant_id, limit=limit, month=quota.this_month(), percent=percent)


def _is_known(notice: Notice, known: set[tuple[Any, str, int]]) -> bool:
    """Returns whether this notice, or a higher one, was raised before."""
    as_high = (percent for percent in (Notice.REFUSED, *PERCENTAGES) if percent >= notice.percent)
    return any((notice.tenant_id, notice.limit, percent) in known for percent in as_high)


def _join_sentences(first: str, second: str) -> str:
    return pgettext("two sentences", "%(first)s %(second)s") % {"first": first, "second": second}

"""Announcements of operators, and when nothing may be changed: in maintenance, and before a suspension."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants.access import Actor
from tenants.models import Announcement, Dismissal, Maintenance, Tenant, User
from tenants.templatetags.moments import zoned

LEAST_PAUSE, USUAL_PAUSE, LONGEST_PAUSE = 30, 300, 3600
"""Seconds after which a program may ask again."""


class ReadingOnly(Exception):
    """Nothing is changed now. `code` is maintenance or suspension_announced; `retry_after` None: not by waiting."""

    def __init__(self, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code, self.retry_after = code, retry_after
        self.status = 403 if retry_after is None else 503


def shown_to(actor: Actor) -> list[Announcement]:
    """Returns what a member has not dismissed, the newest first."""
    if actor.user is None:
        return []
    now = timezone.now()
    rows = Announcement.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now), starts_at__lte=now)
    if not rows.exists():
        return []  # as on most days; every page asks, and this takes a quarter of the time
    chosen = Announcement.tenants.through.objects.filter(announcement=OuterRef("pk"), tenant=actor.tenant)
    read = Dismissal.objects.filter(announcement=OuterRef("pk"), user=actor.person)
    return list(rows.filter(Q(for_all=True) | Exists(chosen), ~Exists(read)))


def dismiss(actor: Actor, announcement_id: int) -> None:
    """Hides an announcement from one person. Raises Http404."""
    if announcement_id not in {row.pk for row in shown_to(actor)}:
        raise Http404
    Dismissal.objects.bulk_create(
        [Dismissal(announcement_id=announcement_id, user=actor.person)], ignore_conflicts=True
    )


def maintenance() -> Maintenance | None:
    """Returns the maintenance that goes on."""
    return Maintenance.objects.filter(ended_at=None).first()


def require_changes(actor: Actor, removes: bool = False) -> None:
    """Raises ReadingOnly where this actor changes nothing now. Operators always may, unless they act for a member.

    Before a suspension what is there may still be removed.
    """
    if not actor.is_support and (actor.operator is not None or (actor.user is not None and actor.user.is_staff)):
        return
    require_changes_in(actor.tenant, removes)


def require_changes_in(tenant: Tenant, removes: bool = False) -> None:
    """Raises ReadingOnly where nobody changes anything of a tenant now."""
    if (going_on := maintenance()) is not None:
        raise of_maintenance(going_on)
    if not removes and tenant.suspended_from is not None and not tenant.changes_until_suspended:
        raise ReadingOnly("suspension_announced", suspension_text(tenant))


def require_changes_of_account(user: object) -> None:
    """Raises ReadingOnly where somebody changes nothing of their account now."""
    is_operator = isinstance(user, User) and user.is_staff
    if not is_operator and (going_on := maintenance()) is not None:
        raise of_maintenance(going_on)


def of_maintenance(row: Maintenance) -> ReadingOnly:
    left = (row.expected_end - timezone.now()).total_seconds() if row.expected_end else USUAL_PAUSE
    pause = min(max(round(left), LEAST_PAUSE), LONGEST_PAUSE)
    until = ""
    if row.expected_end:
        until = " " + _("It is expected to end at %(time)s.") % {"time": zoned(timezone.localtime(row.expected_end))}
    words = _("The portal is being worked on: you can read, but not add or change anything.")
    return ReadingOnly("maintenance", f"{words}{until} {row.text}", pause)


def suspension_text(tenant: Tenant) -> str:
    """Returns what members are told of a suspension that is to come."""
    assert tenant.suspended_from is not None
    values = {"tenant": tenant, "time": zoned(timezone.localtime(tenant.suspended_from))}
    if tenant.changes_until_suspended:
        return _("%(tenant)s will be suspended on %(time)s. Until then everything goes on.") % values
    return _("%(tenant)s will be suspended on %(time)s. Until then you can read, but not add or change.") % values

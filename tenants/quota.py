"""Reserve on acceptance, settle on success, release on failure. Nothing else moves a counter.

Every step is one conditional UPDATE inside the caller's transaction, so of two concurrent ones at most one succeeds:

    used + reserved + requested <= limit      or no row changes
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from tenants import scope
from tenants.models import ApiKey, LedgerEntry, Quota, Reservation, Tenant, UsageMonth, User

NEARLY_GONE_SECONDS = 300
"""With less left people are warned before they record."""


@dataclass(eq=False)
class QuotaExceeded(Exception):
    """A limit would be exceeded. Units are audio seconds or bytes, depending on `limit_name`."""

    limit_name: str  # "monthly_seconds", "recording_seconds", "upload_bytes", "stored_bytes"
    needed: int
    left: int
    limit: int
    resets_at: datetime | None = None


@dataclass(frozen=True)
class QuotaSnapshot:
    """A tenant's limits and usage at one moment. Seconds are this month's audio seconds."""

    quota: Quota
    used_seconds: int
    reserved_seconds: int
    resets_at: datetime

    @property
    def gone_seconds(self) -> int:
        return self.used_seconds + self.reserved_seconds

    @property
    def left_seconds(self) -> int:
        return max(0, self.quota.monthly_seconds - self.gone_seconds)

    @property
    def is_nearly_gone(self) -> bool:
        return self.left_seconds < NEARLY_GONE_SECONDS

    @property
    def left_bytes(self) -> int:
        return max(0, self.quota.stored_bytes - self.quota.stored_bytes_used)

    @property
    def percent(self) -> int:
        """The percentage of this month's audio seconds that is used or reserved, rounded down."""
        return _percent(self.gone_seconds, self.quota.monthly_seconds)

    @property
    def stored_percent(self) -> int:
        return _percent(self.quota.stored_bytes_used, self.quota.stored_bytes)


def billed_seconds(duration: float) -> int:
    """Returns the audio seconds charged for a recording of `duration` seconds: rounded up, at least one."""
    return max(1, math.ceil(round(duration, 3)))


def this_month(now: datetime | None = None) -> date:
    return (now or timezone.now()).astimezone(UTC).date().replace(day=1)


def next_reset(month: date) -> datetime:
    year, number = (month.year + 1, 1) if month.month == 12 else (month.year, month.month + 1)
    return datetime(year, number, 1, tzinfo=UTC)


def open_month() -> int:
    """Creates this month's usage rows of active tenants that have none, and returns their number.

    Idempotent. Reservations stay in the month they were made in: a transcription that is accepted in November and
    finished in December is charged to November.
    """
    month = this_month()
    with scope.across_tenants("a month begins for everybody"):
        has_one = UsageMonth.objects.filter(tenant=OuterRef("pk"), month=month)
        without = Tenant.objects.filter(~Exists(has_one), is_active=True).order_by()
        rows = [UsageMonth(tenant_id=tenant_id, month=month) for tenant_id in without.values_list("id", flat=True)]
        UsageMonth.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def snapshot(tenant: Tenant) -> QuotaSnapshot:
    month = this_month()
    quota = Quota.objects.select_related("plan").get(tenant=tenant)
    with scope.bound(tenant.id):
        usage = UsageMonth.objects.filter(month=month).first()
    return QuotaSnapshot(
        quota=quota,
        used_seconds=usage.used_seconds if usage else 0,
        reserved_seconds=usage.reserved_seconds if usage else 0,
        resets_at=next_reset(month),
    )


def check(tenant: Tenant, seconds: int, size: int) -> None:
    """Raises QuotaExceeded before anything is stored, where `reserve` or `take_storage` would."""
    current = snapshot(tenant)
    if seconds > current.quota.recording_seconds:
        limit = current.quota.recording_seconds
        raise QuotaExceeded("recording_seconds", seconds, limit, limit)
    if seconds > current.left_seconds:
        raise QuotaExceeded(
            "monthly_seconds", seconds, current.left_seconds, current.quota.monthly_seconds, current.resets_at
        )
    if size > current.left_bytes:
        raise QuotaExceeded("stored_bytes", size, current.left_bytes, current.quota.stored_bytes)


def reserve(
    tenant: Tenant, transcription_id: UUID, seconds: int, user: User | None = None, key: ApiKey | None = None
) -> Reservation:
    """Reserves `seconds` of this month for a member or a key.

    Call inside the accepting transaction. Raises QuotaExceeded.
    """
    usage, _created = UsageMonth.objects.get_or_create(tenant=tenant, month=this_month())
    _hold(tenant, usage, seconds)
    return Reservation.objects.create(
        tenant=tenant, month=usage, transcription_id=transcription_id, seconds=seconds, user=user, api_key=key
    )


def held_seconds(transcription_id: UUID) -> int:
    """Returns the seconds reserved for a transcription; 0 without a reservation."""
    return _held(transcription_id).values_list("seconds", flat=True).first() or 0


def extend(transcription_id: UUID, seconds: int) -> None:
    """Raises a reservation to `seconds` in total, when a recording is longer than expected.

    Raises QuotaExceeded.
    """
    with transaction.atomic():
        held = _locked(transcription_id)
        if held is None or held.seconds >= seconds:
            return
        _hold(held.tenant, held.month, seconds - held.seconds)
        _held(transcription_id).update(seconds=seconds)


def settle(transcription_id: UUID, seconds: int, description: str) -> bool:
    """Charges `seconds` for a finished transcription; returns False if it was settled or released before.

    Raises QuotaExceeded if more is charged than is reserved and left.
    """
    with transaction.atomic():
        held = _locked(transcription_id)
        if held is None:
            return False
        if seconds > held.seconds:
            _hold(held.tenant, held.month, seconds - held.seconds)
            held.seconds = seconds
        _held(transcription_id).update(state=Reservation.State.SETTLED, seconds=held.seconds)
        LedgerEntry.objects.create(
            tenant_id=held.tenant_id,
            month=held.month,
            transcription_id=transcription_id,
            kind=LedgerEntry.Kind.CHARGE,
            seconds=seconds,
            description=description[:255],
            user_id=held.user_id,
            api_key_id=held.api_key_id,
        )
        UsageMonth.objects.filter(pk=held.month_id).update(
            reserved_seconds=F("reserved_seconds") - held.seconds, used_seconds=F("used_seconds") + seconds
        )
        return True


def release(transcription_id: UUID) -> bool:
    """Releases a reservation; returns False if it was settled or released before."""
    with transaction.atomic():
        held = _locked(transcription_id)
        if held is None:
            return False
        _held(transcription_id).update(state=Reservation.State.RELEASED)
        UsageMonth.objects.filter(pk=held.month_id).update(reserved_seconds=F("reserved_seconds") - held.seconds)
        return True


def take_storage(tenant: Tenant, size: int) -> None:
    """Adds `size` to the stored bytes. Call inside the accepting transaction. Raises QuotaExceeded."""
    room = Quota.objects.filter(tenant=tenant, stored_bytes__gte=F("stored_bytes_used") + size)
    if not room.update(stored_bytes_used=F("stored_bytes_used") + size):
        quota = Quota.objects.get(tenant=tenant)
        left = max(0, quota.stored_bytes - quota.stored_bytes_used)
        raise QuotaExceeded("stored_bytes", size, left, quota.stored_bytes)


def give_storage_back(tenant_id: UUID, size: int) -> None:
    Quota.objects.filter(tenant_id=tenant_id, stored_bytes_used__gte=size).update(
        stored_bytes_used=F("stored_bytes_used") - size
    )


def _hold(tenant: Tenant, usage: UsageMonth, seconds: int) -> None:
    limit = Quota.objects.values_list("monthly_seconds", flat=True).get(tenant=tenant)
    room = UsageMonth.objects.filter(pk=usage.pk, used_seconds__lte=limit - seconds - F("reserved_seconds"))
    if not room.update(reserved_seconds=F("reserved_seconds") + seconds):
        usage.refresh_from_db()
        left = max(0, limit - usage.used_seconds - usage.reserved_seconds)
        raise QuotaExceeded("monthly_seconds", seconds, left, limit, next_reset(usage.month))


def _percent(gone: int, most: int) -> int:
    return gone * 100 // most if most else 100


def _locked(transcription_id: UUID) -> Reservation | None:
    """Locks the reservation, always before its month's row."""
    return _held(transcription_id).select_for_update(of=("self",)).select_related("month", "tenant").first()


def _held(transcription_id: UUID) -> QuerySet[Reservation]:
    return Reservation.objects.filter(transcription_id=transcription_id, state=Reservation.State.HELD)

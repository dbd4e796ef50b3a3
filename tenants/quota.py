"""Reserve on acceptance, settle on success, release on failure. Nothing else moves a counter.

Every step is one guarded UPDATE inside the caller's transaction, so two that race can't both win:

    used + reserved + wanted <= limit      or no row changes
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


@dataclass(eq=False)
class QuotaExceeded(Exception):
    """A limit stands in the way. Units: audio seconds, bytes, or a count, as `limit_name` says."""

    limit_name: str  # "monthly_seconds", "recording_seconds", "upload_bytes", "stored_bytes"
    needed: int
    left: int
    limit: int
    resets_at: datetime | None = None


@dataclass(frozen=True)
class QuotaSnapshot:
    """How much of a tenant's quota is gone. Seconds are audio seconds of this month."""

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
    def left_bytes(self) -> int:
        return max(0, self.quota.stored_bytes - self.quota.stored_bytes_used)

    @property
    def percent(self) -> int:
        """How much of this month's audio seconds is gone, rounded down."""
        return _percent(self.gone_seconds, self.quota.monthly_seconds)

    @property
    def stored_percent(self) -> int:
        return _percent(self.quota.stored_bytes_used, self.quota.stored_bytes)


def billed_seconds(duration: float) -> int:
    """Whole audio seconds, begun ones count: what a recording of `duration` seconds costs."""
    return max(1, math.ceil(round(duration, 3)))


def this_month(now: datetime | None = None) -> date:
    return (now or timezone.now()).astimezone(UTC).date().replace(day=1)


def next_reset(month: date) -> datetime:
    year, number = (month.year + 1, 1) if month.month == 12 else (month.year, month.month + 1)
    return datetime(year, number, 1, tzinfo=UTC)


def open_month() -> int:
    """Gives each active tenant its row of this month, so that pages, notices and metrics begin at zero; how many.

    Safe to call at any time: where all have theirs, it is one query that changes nothing. Reservations stay with
    the month they were made in: what is accepted in November and finished in December is charged to November.
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
    quota = Quota.objects.get(tenant=tenant)
    with scope.bound(tenant.id):
        usage = UsageMonth.objects.filter(month=month).first()
    return QuotaSnapshot(
        quota=quota,
        used_seconds=usage.used_seconds if usage else 0,
        reserved_seconds=usage.reserved_seconds if usage else 0,
        resets_at=next_reset(month),
    )


def check(tenant: Tenant, seconds: int, size: int) -> None:
    """An early, kind answer before anything is stored; `reserve` decides. Raises QuotaExceeded."""
    now = snapshot(tenant)
    if seconds > now.quota.recording_seconds:
        limit = now.quota.recording_seconds
        raise QuotaExceeded("recording_seconds", seconds, limit, limit)
    if seconds > now.left_seconds:
        raise QuotaExceeded("monthly_seconds", seconds, now.left_seconds, now.quota.monthly_seconds, now.resets_at)
    if size > now.left_bytes:
        raise QuotaExceeded("stored_bytes", size, now.left_bytes, now.quota.stored_bytes)


def reserve(
    tenant: Tenant, transcription_id: UUID, seconds: int, user: User | None = None, key: ApiKey | None = None
) -> Reservation:
    """Holds `seconds` from this month on behalf of a member or a key.

    Call inside the accepting transaction. Raises QuotaExceeded.
    """
    usage, _created = UsageMonth.objects.get_or_create(tenant=tenant, month=this_month())
    _hold(tenant, usage, seconds)
    return Reservation.objects.create(
        tenant=tenant, month=usage, transcription_id=transcription_id, seconds=seconds, user=user, api_key=key
    )


def held_seconds(transcription_id: UUID) -> int:
    """What is held for a transcription now; 0 where nothing is."""
    return _held(transcription_id).values_list("seconds", flat=True).first() or 0


def extend(transcription_id: UUID, seconds: int) -> None:
    """Makes a held reservation hold `seconds` in all, where a recording proves longer than it said.

    Raises QuotaExceeded.
    """
    with transaction.atomic():
        held = _locked(transcription_id)
        if held is None or held.seconds >= seconds:
            return
        _hold(held.tenant, held.month, seconds - held.seconds)
        _held(transcription_id).update(seconds=seconds)


def settle(transcription_id: UUID, seconds: int, description: str) -> bool:
    """Charges `seconds` for a finished transcription; False when it was settled or released before.

    Raises QuotaExceeded where more is to be charged than is held, and more than is left.
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
    """Gives a held reservation back; False when it was settled or released before."""
    with transaction.atomic():
        held = _locked(transcription_id)
        if held is None:
            return False
        _held(transcription_id).update(state=Reservation.State.RELEASED)
        _give_back(held, held.seconds)
        return True


def take_storage(tenant: Tenant, size: int) -> None:
    """Counts stored bytes. Call inside the accepting transaction. Raises QuotaExceeded."""
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


def _give_back(reservation: Reservation, seconds: int) -> None:
    UsageMonth.objects.filter(pk=reservation.month_id).update(reserved_seconds=F("reserved_seconds") - seconds)


def _locked(transcription_id: UUID) -> Reservation | None:
    """The held reservation, locked: before its month, by whoever moves it."""
    held = _held(transcription_id).select_for_update(of=("self",)).select_related("month", "tenant")
    return held.first()


def _held(transcription_id: UUID) -> QuerySet[Reservation]:
    return Reservation.objects.filter(transcription_id=transcription_id, state=Reservation.State.HELD)

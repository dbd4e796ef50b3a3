"""The nightly check that counters, ledgers, reservations and transcriptions agree. It finds; people put right."""

from __future__ import annotations

import logging
from datetime import UTC, timedelta

from django.core import mail
from django.db.models import BigIntegerField, Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from tenants import balance, quota, scope
from tenants.balance import MAX_REPORTED
from tenants.discrepancies import Discrepancy, Kind
from tenants.models import AccountCheck, LedgerEntry, Quota, Reservation, Tenant
from transcription.models import Recording, Status, Transcription

log = logging.getLogger(__name__)
UNFINISHED = (Status.QUEUED, Status.RUNNING)
TAKEN_OVER_AFTER = timedelta(hours=1)


def check_today() -> int:
    """Today's check (UTC), unless another sweeper does it or has done it; how many discrepancies it found.

    One that crashed, unfinished after an hour, is done again.
    """
    mine = _claim()
    if mine is None:
        return 0
    found = balance.check() + discrepancies()
    for one in found:
        log.critical("The accounts disagree: %s", one)
    AccountCheck.objects.filter(pk=mine.pk).update(
        finished_at=timezone.now(),
        tenants_checked=Tenant.objects.count(),
        discrepancies=[one.as_row() for one in found],
    )
    if found:
        _tell_admins(found)
    return len(found)


def latest() -> AccountCheck | None:
    """The last check that was finished."""
    return AccountCheck.objects.filter(finished_at__isnull=False).first()


def discrepancies() -> list[Discrepancy]:
    """Where transcriptions and recordings contradict the accounts; MAX_REPORTED of each kind at most.

    Each comparison is one statement, so it sees one moment: rows that belong together change in one transaction.
    """
    with scope.across_tenants("every account is compared"):
        return [*_held_in_vain(), *_not_charged_once(), *_charged_in_vain(), *_stored_bytes()]


def release_ended() -> int:
    """Gives back what is held for work that failed, was cancelled or is gone; how many. There should be none."""
    ended = (Status.FAILED, Status.CANCELLED)
    with scope.across_tenants("the sweeper serves every tenant"):
        over = Transcription.objects.filter(id=OuterRef("transcription_id")).exclude(status__in=ended)
        held = Reservation.objects.filter(~Exists(over), state=Reservation.State.HELD)
        released = [one for one in held[:MAX_REPORTED] if quota.release(one.transcription_id)]
    for one in released:
        log.error(
            "%d s of tenant %s were still held for transcription %s, which has ended: they were given back.",
            *(one.seconds, one.tenant_id, one.transcription_id),
        )
    return len(released)


def _claim() -> AccountCheck | None:
    """The insert decides which of several sweepers checks; of those that take over, the update."""
    now = timezone.now()
    check, is_new = AccountCheck.objects.get_or_create(day=now.astimezone(UTC).date(), defaults={"started_at": now})
    if is_new:
        return check
    left = AccountCheck.objects.filter(pk=check.pk, finished_at=None, started_at__lt=now - TAKEN_OVER_AFTER)
    return check if left.update(started_at=now) else None


def _held_in_vain() -> list[Discrepancy]:
    work = Transcription.objects.filter(id=OuterRef("transcription_id"), status__in=UNFINISHED)
    held = Reservation.objects.filter(~Exists(work), state=Reservation.State.HELD).order_by("id")
    return [
        Discrepancy(tenant_id, Kind.HELD_FOR_ENDED, 0, seconds, month, work_id)
        for tenant_id, month, work_id, seconds in held.values_list(
            "tenant_id", "month__month", "transcription_id", "seconds"
        )[:MAX_REPORTED]
    ]


def _not_charged_once() -> list[Discrepancy]:
    """Work that an engine completed; what was answered with an earlier text costs nothing."""
    return _charged_other_than(1, Transcription.objects.filter(status=Status.COMPLETED, is_reused=False))


def _charged_in_vain() -> list[Discrepancy]:
    unpaid = Q(status__in=(*UNFINISHED, Status.FAILED, Status.CANCELLED)) | Q(is_reused=True)
    charged = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.CHARGE).values("transcription_id")
    return _charged_other_than(0, Transcription.objects.filter(unpaid, id__in=charged))


def _charged_other_than(times: int, rows: QuerySet[Transcription]) -> list[Discrepancy]:
    """Those that have not so many lines in their own tenant's ledger."""
    lines = LedgerEntry.objects.filter(transcription_id=OuterRef("pk"), tenant=OuterRef("tenant"))
    counts = lines.filter(kind=LedgerEntry.Kind.CHARGE).order_by().values("transcription_id").annotate(n=Count("id"))
    charges = Coalesce(Subquery(counts.values("n"), output_field=BigIntegerField()), 0)
    wrong = rows.annotate(charges=charges).exclude(charges=times).order_by("id")
    return [
        Discrepancy(tenant_id, Kind.CHARGES, times, charged, transcription=work_id, status=status)
        for tenant_id, work_id, status, charged in wrong.values_list("tenant_id", "id", "status", "charges")[
            :MAX_REPORTED
        ]
    ]


def _stored_bytes() -> list[Discrepancy]:
    kept = Recording.objects.filter(tenant=OuterRef("tenant"), audio_deleted_at=None)
    quotas = Quota.objects.annotate(kept=balance.total(kept, "tenant", "bytes")).exclude(stored_bytes_used=F("kept"))
    values = quotas.order_by("tenant_id").values_list("tenant_id", "kept", "stored_bytes_used")[:MAX_REPORTED]
    return [Discrepancy(tenant_id, Kind.STORED_BYTES, kept, used) for tenant_id, kept, used in values]


def _tell_admins(found: list[Discrepancy]) -> None:
    """The settings' ADMINS, where there are any. The row, the log and the metric say it in any case."""
    subject = f"{len(found)} discrepancies in the accounts"
    try:
        mail.mail_admins(subject, "\n".join(str(one) for one in found) + "\n")
    except Exception:
        log.exception("The administrators could not be told of discrepancies in the accounts")

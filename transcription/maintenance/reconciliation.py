"""Checks nightly that counters, ledgers, reservations and transcriptions agree. It reports; people correct."""

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
from transcription.models import Recording, Status, SubtitledVideo, Transcription

log = logging.getLogger(__name__)
UNFINISHED = (Status.QUEUED, Status.RUNNING)
CRASHED_AFTER = timedelta(hours=1)


def check_today() -> int:
    """Checks once a day (UTC), however many sweepers run. Returns the number of discrepancies.

    A check that is unfinished after an hour has crashed, and is done again.
    """
    check = _claim()
    if check is None:
        return 0
    found = balance.discrepancies() + discrepancies()
    for discrepancy in found:
        log.critical("The accounts disagree: %s", discrepancy)
    AccountCheck.objects.filter(pk=check.pk).update(
        finished_at=timezone.now(),
        tenants_checked=Tenant.objects.count(),
        discrepancies=[one.as_row() for one in found],
    )
    if found:
        _mail_admins(found)
    return len(found)


def latest() -> AccountCheck | None:
    """Returns the last check that was finished."""
    return AccountCheck.objects.filter(finished_at__isnull=False).first()


def discrepancies() -> list[Discrepancy]:
    """Returns where transcriptions and recordings contradict the accounts, MAX_REPORTED of each kind at most.

    Each comparison is one statement, so it sees one moment: rows that belong together change in one transaction.
    """
    with scope.across_tenants("every account is compared"):
        return [*_held_for_ended(), *_not_charged_once(), *_charged_unpaid(), *_stored_bytes()]


def release_ended() -> int:
    """Releases reservations for work that failed, was cancelled or is gone: there should be none. Returns how many."""
    ended = (Status.FAILED, Status.CANCELLED)
    with scope.across_tenants("the sweeper serves every tenant"):
        over = Transcription.objects.filter(id=OuterRef("transcription_id")).exclude(status__in=ended)
        held = Reservation.objects.filter(~Exists(over), state=Reservation.State.HELD)
        released = [row for row in held[:MAX_REPORTED] if quota.release(row.transcription_id)]
    for row in released:
        log.error(
            "%d s of tenant %s were still held for transcription %s, which has ended: they were released.",
            *(row.seconds, row.tenant_id, row.transcription_id),
        )
    return len(released)


def _claim() -> AccountCheck | None:
    """Returns the check for the one sweeper that inserts it, or that takes it over by an update; None for others."""
    now = timezone.now()
    check, is_new = AccountCheck.objects.get_or_create(day=now.astimezone(UTC).date(), defaults={"started_at": now})
    if is_new:
        return check
    crashed = AccountCheck.objects.filter(pk=check.pk, finished_at=None, started_at__lt=now - CRASHED_AFTER)
    return check if crashed.update(started_at=now) else None


def _held_for_ended() -> list[Discrepancy]:
    work = Transcription.objects.filter(id=OuterRef("transcription_id"), status__in=UNFINISHED)
    held = Reservation.objects.filter(~Exists(work), state=Reservation.State.HELD).order_by("id")
    return [
        Discrepancy(tenant_id, Kind.HELD_FOR_ENDED, 0, seconds, month, work_id)
        for tenant_id, month, work_id, seconds in held.values_list(
            "tenant_id", "month__month", "transcription_id", "seconds"
        )[:MAX_REPORTED]
    ]


def _not_charged_once() -> list[Discrepancy]:
    """Compares work that an engine completed; what was answered with an earlier text costs nothing."""
    return _charged_other_than(1, Transcription.objects.filter(status=Status.COMPLETED, is_reused=False))


def _charged_unpaid() -> list[Discrepancy]:
    unpaid = Q(status__in=(*UNFINISHED, Status.FAILED, Status.CANCELLED)) | Q(is_reused=True)
    charged = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.CHARGE).values("transcription_id")
    return _charged_other_than(0, Transcription.objects.filter(unpaid, id__in=charged))


def _charged_other_than(times: int, rows: QuerySet[Transcription]) -> list[Discrepancy]:
    """Returns those of `rows` that their own tenant's ledger does not charge for so many `times`."""
    entries = LedgerEntry.objects.filter(transcription_id=OuterRef("pk"), tenant=OuterRef("tenant"))
    counts = entries.filter(kind=LedgerEntry.Kind.CHARGE).order_by().values("transcription_id").annotate(n=Count("id"))
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
    videos = SubtitledVideo.objects.filter(tenant=OuterRef("tenant"))
    stored = balance.total(kept, "tenant", "bytes") + balance.total(videos, "tenant", "bytes")
    quotas = Quota.objects.annotate(kept=stored).exclude(stored_bytes_used=F("kept"))
    values = quotas.order_by("tenant_id").values_list("tenant_id", "kept", "stored_bytes_used")[:MAX_REPORTED]
    return [Discrepancy(tenant_id, Kind.STORED_BYTES, kept, used) for tenant_id, kept, used in values]


def _mail_admins(found: list[Discrepancy]) -> None:
    """Mails the settings' ADMINS, where there are any. The row, the log and the metric report it in any case."""
    subject = f"{len(found)} discrepancies in the accounts"
    try:
        mail.mail_admins(subject, "\n".join(str(one) for one in found) + "\n")
    except Exception:
        log.exception("The mail about discrepancies in the accounts could not be sent")

"""Repairs what a crash, a lost wake-up or a full Redis left behind. It has no state: any number may run."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import islice

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from tenants import (
    audit,
    database_clock,
    invitations,
    notices,
    quota,
    scope,
    support,
    suspensions,
    throttle,
    user_sessions,
)
from transcription import processes, search, stage_times
from transcription.alerts import evaluation, measuring, telling
from transcription.comments import mentions
from transcription.exchange import deliveries as exports
from transcription.exchange import sender
from transcription.fetches import claims as fetch_claims
from transcription.fetches import fetcher
from transcription.inbox import arrivals, polling, taking
from transcription.intake import idempotency, waiters
from transcription.library import recordings, retention
from transcription.lookout import Lookout
from transcription.maintenance import reconciliation
from transcription.maintenance.rounds import Round, Task
from transcription.media import storage
from transcription.models import Process, Recording, Sweeper
from transcription.offboarding import deletion
from transcription.queue import claims, fairness, lifecycle, statistics, wakeups
from transcription.shares import cutting, guest_mails
from transcription.strikes import copies
from transcription.uploads import cleanup as uploads
from transcription.videos import making as videos
from transcription.webhooks import deliveries, dispatcher, events

ABANDONED_AGE = timedelta(hours=24)
ORPHAN_AGE = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(hours=1)
BATCH = 500
DAY = 24 * 3600.0


def check_clock() -> int:
    """Logs a warning where this host's clock differs too much from the database's."""
    return int(database_clock.is_skewed(database_clock.checked_skew()))


def report() -> int:
    """Tells /health that a sweeper runs on this machine."""
    host = socket.gethostname()
    if not Sweeper.objects.filter(host=host).update(updated_at=Now()):
        Sweeper.objects.get_or_create(host=host)
    return 0


def forget_sweepers() -> int:
    return Sweeper.objects.filter(updated_at__lt=Now() - FORGOTTEN_AFTER).delete()[0]


def wake_workers() -> int:
    return wakeups.wake_missing(claims.due_by_lane())


def drop_abandoned_uploads() -> int:
    """Deletes what killed web processes and workers left in the incoming folder."""
    oldest, dropped = time.time() - ABANDONED_AGE.total_seconds(), 0
    for path in settings.INCOMING_DIR.glob("*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                dropped += 1
    return dropped


def drop_orphaned_media() -> int:
    """Deletes media without a recording: stored just before a crash, or left by a purge or by retention."""
    keys, dropped = storage.keys_older_than(timezone.now() - ORPHAN_AGE), 0
    while batch := {key: storage.recording_id_of(key) for key in islice(keys, BATCH)}:
        with scope.across_tenants("media of every tenant lies in one place"):
            named = Recording.objects.filter(id__in=set(batch.values()), audio_deleted_at=None)
            known = set(named.values_list("id", flat=True))
        for key, recording_id in batch.items():
            if recording_id is not None and recording_id not in known:
                storage.delete(key)
                dropped += 1
    return dropped


EVERY_FEW_SECONDS: dict[str, Task] = {
    "expired leases": lifecycle.expire_leases,
    "wake-ups sent again": wake_workers,
    "transcriptions cancelled that nobody waits for": waiters.cancel_without_waiters,
}
REPORTS: dict[str, Task] = {"sweepers reported": report}
ARRIVALS: dict[str, Task] = {"uploads found whole": uploads.note_whole, "uploads settled": uploads.accept_whole}
DELETIONS: dict[str, Task] = {"tenants erased": deletion.advance_all}
SOUNDS: dict[str, Task] = {"sounds of share links made": cutting.cut_due}
ALERTS: dict[str, Task] = {"alerts that fired or ended": evaluation.evaluate}
ALERT_MAILS: dict[str, Task] = {"operators mailed of alerts": telling.mail_due}
ALERT_WEBHOOKS: dict[str, Task] = {"webhooks told of alerts": telling.post_due}
MAILS: dict[str, Task] = {
    "invitations e-mailed": invitations.send_due,
    "mentions e-mailed": mentions.send_due,
    "guests e-mailed": guest_mails.send_due,
}
EVERY_MINUTE: dict[str, Task] = {
    "accounts of a new month opened": quota.open_month,
    "tenants suspended": suspensions.suspend_due,
    "support visits ended": support.end_due,
    "support visits forgotten": support.forget_old,
    "notices raised": notices.raise_due,
    "notices e-mailed": notices.send_due,
    "notices told to webhooks": events.tell_notices,
    "clocks that differ too much": check_clock,
    "statistics merged": statistics.merge,
    "times of stages merged": stage_times.condense,
}
EVERY_FEW_MINUTES: dict[str, Task] = {
    "reservations of ended work released": reconciliation.release_ended,
    "backlogs of the fair order corrected": fairness.correct_all,
    "deleted recordings purged": recordings.purge_deleted,
    "old videos with subtitles dropped": videos.drop_old,
    "abandoned uploads dropped": drop_abandoned_uploads,
    "old uploads forgotten": uploads.forget_old,
}
EVERY_HOUR: dict[str, Task] = {
    "discrepancies in the accounts": reconciliation.check_today,  # the first of a day finds work, the others don't
    "stranded transcriptions cancelled by retention": retention.cancel_stranded,
    "recordings' audio deleted by retention": retention.delete_old_audio,
    "transcriptions' text deleted by retention": retention.delete_old_text,
    "recordings removed by retention": retention.remove_empty,
    "idempotency keys forgotten": idempotency.forget_old,
    "attempts forgotten": throttle.forget_old,
    "sounds of ended share links dropped": cutting.drop_ended,
    "orphaned media dropped": drop_orphaned_media,
    "whole uploads of switched-off tenants forgotten": uploads.forget_stranded,
    "downloads of switched-off tenants forgotten": fetch_claims.forget_stranded,
    "old events of webhooks forgotten": deliveries.forget_old,
    "exports failed for want of a text": exports.fail_without_text,
    "files of watched folders forgotten": arrivals.forget_old,
    "old downloads by URL forgotten": fetch_claims.forget_old,
    "stray uploads dropped": uploads.drop_strays,
    "recordings added to the search index": search.index_missing,
    "old invitations forgotten": invitations.forget_old,
    "sessions forgotten": user_sessions.forget_old,
    "audit entries forgotten": audit.forget_old,
    "processes forgotten": processes.forget_old,
    "sweepers forgotten": forget_sweepers,
    "alerts forgotten": evaluation.forget_old,
}


ROUNDS = (
    Round(2.0, 60.0, EVERY_FEW_SECONDS, (lifecycle.EXPIRED, fairness.DUE, waiters.LEFT_ALONE)),
    Round(10.0, 60.0, REPORTS),
    Round(3.0, 3600.0, ARRIVALS, uploads.DUE),
    Round(3.0, 3600.0, SOUNDS, (cutting.DUE,)),
    Round(10.0, 600.0, MAILS, (Lookout(lambda: invitations.MAILS.due(Now())), mentions.DUE, guest_mails.DUE)),
    Round(60.0, 600.0, EVERY_MINUTE),
    Round(300.0, 3600.0, EVERY_FEW_MINUTES),
    Round(3600.0, 6 * 3600.0, EVERY_HOUR),
    Round(5.0, 6 * 3600.0, DELETIONS, deletion.DUE),
    Round(15.0, 60.0, ALERTS),
    Round(5.0, 600.0, ALERT_MAILS, (telling.DUE,)),
    Round(5.0, 60.0, ALERT_WEBHOOKS, (telling.DUE,)),
)
"""They don't wait for each other: large uploads and tenants take minutes, or hours, while leases go on expiring."""

WORKING = (dispatcher.THREADS, fetcher.THREADS, sender.THREADS, polling.THREADS, taking.THREADS)


def beside(stop: threading.Event) -> tuple[Round, ...]:
    """Returns the rounds that do slow work, or begin it in threads. It is finished, or handed back, after `stop`."""
    return (
        Round(1.0, 600.0, {"webhooks sent": dispatcher.start_due}, (deliveries.DUE,)),
        Round(1.0, 600.0, {"downloads by URL": partial(fetcher.start_due, stop)}, (fetch_claims.DUE,)),
        Round(2.0, 600.0, {"exports written": sender.start_due}, (exports.DUE,)),
        Round(5.0, 600.0, {"watched folders looked into": polling.start_due}, (polling.DUE,)),
        Round(2.0, 600.0, {"files of watched folders": partial(taking.start_due, stop)}, (arrivals.DUE,)),
        Round(1.0, DAY, {"copies of redacted sound": partial(copies.make_due, stop)}, (copies.DUE,)),
        Round(2.0, DAY, {"videos with subtitles": partial(videos.make_due, stop)}, (videos.DUE,)),
    )


def registration(rounds: Iterable[Round]) -> processes.Registration:
    return processes.Registration(Process.Kind.SWEEPER, lambda: {measuring.LATE: lateness(rounds, time.monotonic())})


def lateness(rounds: Iterable[Round], now: float) -> dict[str, float]:
    """Returns by how many seconds each round is late that has begun here."""
    late = {one.name: one.lateness(now) for one in rounds}
    return {name: seconds for name, seconds in late.items() if seconds is not None}

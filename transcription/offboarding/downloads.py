"""Follows the archives that operators download: how far each is, whether it was sent whole, and its checksum."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models.functions import Now
from django.utils import timezone

from tenants import scope
from tenants.models import Tenant
from transcription.models import Recording, Revision, Transcription
from transcription.offboarding import archive
from transcription.offboarding.models import Download

NOTED_SECONDS = 2.0


@dataclass
class Sent:
    """The size and the checksum of what was sent, and of how many recordings."""

    recordings: int = 0
    size: int = 0

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256()

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.digest.update(chunk)

    def count(self) -> None:
        self.recordings += 1


def begin(tenant: Tenant, requested_by: str) -> Download:
    """Begins to follow a download. Call with the tenant bound."""
    total = Recording.objects.filter(tenant=tenant).count()
    return Download.objects.create(tenant_uuid=tenant.pk, requested_by=requested_by, recordings_total=total)


def stream(row: Download, tenant: Tenant, portal: str) -> Iterator[bytes]:
    """Yields the archive, as `archive.stream` does, and notes now and then how far it is."""
    sent, noted = Sent(), time.monotonic()
    for chunk in archive.stream(tenant, portal, sent.count):
        sent.add(chunk)
        if time.monotonic() - noted > NOTED_SECONDS:
            noted = time.monotonic()
            _note(row, sent)
        yield chunk
    _note(row, sent)
    Download.objects.filter(pk=row.pk).update(finished_at=timezone.now(), sha256=sent.digest.hexdigest())


def latest(tenant: Tenant) -> Download | None:
    return Download.objects.filter(tenant_uuid=tenant.pk).first()


def latest_whole(tenant: Tenant) -> Download | None:
    return Download.objects.filter(tenant_uuid=tenant.pk, finished_at__isnull=False).first()


def is_up_to_date(row: Download) -> bool:
    """Returns whether no recording, text or correction came since the archive was begun."""
    with scope.bound(row.tenant_uuid):
        came = (
            Recording.objects.filter(tenant=row.tenant_uuid, created_at__gt=row.begun_at),
            Transcription.objects.filter(tenant=row.tenant_uuid, finished_at__gt=row.begun_at),
            Revision.objects.filter(tenant=row.tenant_uuid, made_at__gt=row.begun_at),
        )
        return not any(rows.exists() for rows in came)


def _note(row: Download, sent: Sent) -> None:
    Download.objects.filter(pk=row.pk).update(recordings_done=sent.recordings, bytes=sent.size, noted_at=Now())

"""Looks into watched places, and writes a row for each file that it finds. Runs beside the sweeper."""

from __future__ import annotations

import logging
import random
import time
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from tenants import outbound_hold, scope
from transcription.connections import lend_connection
from transcription.exchange import disk, places
from transcription.exchange.disk import Found
from transcription.exchange.models import Arrival, Place
from transcription.inbox import mail
from transcription.lookout import Lookout
from transcription.outbound import s3
from transcription.outbound.errors import OutboundError
from transcription.outbound.s3 import StoredObject
from transcription.work_threads import WorkThreads

log = logging.getLogger(__name__)
THREADS: WorkThreads[UUID] = WorkThreads(4)
TURN_SECONDS = 10.0
"""After them a tenant's other places wait for its next turn, so that slow ones hold up nobody else for long."""
MAIL_EVERY = timedelta(minutes=1)
"""How often a mailbox is looked into: some servers count sign-ins."""
REST = timedelta(seconds=10)
"""How long a file's size and time must stay as they are before it counts as whole."""


def start_due() -> None:
    """Begins to look. Tenants take turns, and one occupies one thread."""
    for tenant_id in _tenants().difference(THREADS.busy()):
        THREADS.start(f"Looking into the folders of {tenant_id}", [tenant_id], partial(look_into, tenant_id))


def look_into_all() -> int:
    """Looks into each watched place of active tenants, one after the other; returns how many files are new."""
    return sum(look_into(tenant_id) for tenant_id in _tenants())


def look_into(tenant_id: UUID) -> int:
    """Looks into a tenant's watched places in any order, until its turn ends; returns how many files are new."""
    with scope.bound(tenant_id):
        rows = list(_watched().filter(tenant_id=tenant_id))
        random.shuffle(rows)
        count, end = 0, time.monotonic() + TURN_SECONDS
        for row in rows:
            count += _look(row) if _is_turn_of(row) else 0
            if time.monotonic() >= end:
                break
        return count


def _tenants() -> set[UUID]:
    if outbound_hold.is_on():
        return set()
    with scope.across_tenants("watched places of every tenant are looked into"):
        return set(_watched().order_by().values_list("tenant_id", flat=True))


def _watched() -> QuerySet[Place]:
    due: dict[str, Any] = {"not_before__lte": Now(), "next_look_at__lte": Now()}
    return Place.objects.filter(is_watched=True, is_paused=False, tenant__is_active=True, **due)


DUE = Lookout(_watched)


def _is_turn_of(place: Place) -> bool:
    """Returns whether this process is to look now. Into a mailbox one of all processes does, once in a while."""
    if place.kind != Place.Kind.MAILBOX:
        return True
    due = Place.objects.filter(id=place.id, next_look_at__lte=Now())
    return due.update(next_look_at=Now() + MAIL_EVERY) == 1


def _look(place: Place) -> int:
    """Returns how many files of a place are new. Whatever fails is the matter of this place alone."""
    try:
        count = mail.note(place) if place.kind == Place.Kind.MAILBOX else _note_files(place)
    except OutboundError as error:
        log.info("The watched place %s could not be looked into: %s", place.id, error)
        places.failed(place, str(error))
        return 0
    except Exception:
        log.exception("The watched place %s could not be looked into.", place.id)
        places.failed(place, _("It could not be looked into. Whoever runs the portal finds the cause in its log."))
        return 0
    places.works(place)
    return count


def _note_files(place: Place) -> int:
    """Raises OutboundError."""
    known = set(open_arrivals().filter(place=place).values_list("path", "version"))
    lend_connection()
    found = _in_bucket(place, known) if place.kind == Place.Kind.BUCKET else _in_folder(place, known)
    _note(place, found)
    return len(found)


def _in_folder(place: Place, known: set[tuple[str, str]]) -> list[Found]:
    """Raises OutboundError."""
    with disk.opened(place.tenant_id, place.path, disk.IN) as folder:
        return disk.files(folder, lambda one: (one.name, one.version) not in known)


def _in_bucket(place: Place, known: set[tuple[str, str]]) -> list[Found]:
    """Raises OutboundError. What lies deeper, and what stands for a folder, is left alone."""
    prefix = places.key_of(place, disk.IN)

    def found(one: StoredObject) -> Found:
        return Found(one.key.removeprefix(prefix), one.size, f"{one.etag}-{one.size}")

    def is_new(one: StoredObject) -> bool:
        name = one.key.removeprefix(prefix)
        is_file = one.key.startswith(prefix) and name and "/" not in name and "\x00" not in name
        return bool(is_file) and (name, found(one).version) not in known

    return [found(one) for one in s3.objects(places.bucket_of(place), prefix, is_new)]


def _note(place: Place, new: list[Found]) -> None:
    wait = timedelta() if place.kind == Place.Kind.BUCKET else REST
    rows = [
        Arrival(
            tenant_id=place.tenant_id,
            place=place,
            path=one.name,
            version=one.version,
            size=one.size,
            next_attempt_at=Now() + wait,
        )
        for one in new
    ]
    Arrival.objects.bulk_create(rows, ignore_conflicts=True)


def open_arrivals() -> QuerySet[Arrival]:
    return Arrival.objects.filter(state__in=Arrival.OPEN)

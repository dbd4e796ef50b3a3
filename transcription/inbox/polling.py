"""Looks into watched folders and buckets, and writes a row for each file that it finds."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now

from tenants import outbound_hold, scope
from transcription.exchange import disk, places
from transcription.exchange.disk import Found
from transcription.exchange.models import Arrival, Place
from transcription.outbound import s3
from transcription.outbound.errors import OutboundError

log = logging.getLogger(__name__)
REST = timedelta(seconds=10)
"""How long a file's size and time must stay as they are before it counts as whole."""


def look_into_all() -> int:
    """Looks into each watched place of active tenants; returns how many files are new."""
    if outbound_hold.is_on():
        return 0
    with scope.across_tenants("watched places of every tenant are looked into"):
        rows = Place.objects.filter(is_watched=True, tenant__is_active=True, not_before__lte=Now())
        return sum(_look(row) for row in list(rows))


def _look(place: Place) -> int:
    with scope.bound(place.tenant_id):
        try:
            found = _in_bucket(place) if place.kind == Place.Kind.BUCKET else _in_folder(place)
        except OutboundError as error:
            log.info("The watched place %s could not be looked into: %s", place.id, error)
            places.failed(place, str(error))
            return 0
        places.works(place)
        return _note(place, found)


def _in_folder(place: Place) -> list[Found]:
    """Raises OutboundError."""
    with disk.opened(place.tenant_id, place.path, disk.IN) as folder:
        return disk.files(folder)


def _in_bucket(place: Place) -> list[Found]:
    """Raises OutboundError. What lies deeper, and what stands for a folder, is left alone."""
    prefix = places.key_of(place, disk.IN)
    listed = s3.objects(places.bucket_of(place), prefix)
    names = {one.key.removeprefix(prefix): one for one in listed if one.key.startswith(prefix)}
    return [
        Found(name, one.size, f"{one.etag}-{one.size}"[:200])
        for name, one in names.items()
        if name and "/" not in name and "\x00" not in name
    ]


def _note(place: Place, found: list[Found]) -> int:
    known = set(open_arrivals().filter(place=place).values_list("path", "version"))
    new = [one for one in found if (one.name, one.version) not in known]
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
    return len(new)


def open_arrivals() -> QuerySet[Arrival]:
    return Arrival.objects.filter(state__in=OPEN)


OPEN = (Arrival.State.WAITING, Arrival.State.ACCEPTED, Arrival.State.REFUSED)

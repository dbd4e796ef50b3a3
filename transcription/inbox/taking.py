"""Has intake accept or refuse the files of watched places, and moves them. Runs beside the sweeper; any number may run.

The row says `accepted` in the transaction that makes the recording. A process that dies before it leaves the file to be
tried again; one that dies after it leaves only the moving.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from uuid import UUID

from django.conf import settings

from tenants import access as tenant_access
from tenants import announcements, scope
from tenants.access import Actor
from tenants.announcements import ReadingOnly
from transcription import request_id
from transcription.connections import lend_connection
from transcription.errors import InvalidOption, Refused, reason_for_people
from transcription.exchange import disk, places
from transcription.exchange.models import Arrival, Place
from transcription.inbox import arrivals, mail, polling
from transcription.inbox.copies import Copy, Gone, too_large
from transcription.intake import accept
from transcription.intake.request import CallContext
from transcription.leases import Claim, LostClaim, Renewal
from transcription.media import storage
from transcription.models import Way
from transcription.options.options import TranscriptionOptions
from transcription.outbound import s3
from transcription.outbound.download import download
from transcription.outbound.errors import OutboundError
from transcription.outbound.target import BUCKETS
from transcription.rules.applying import Mailed
from transcription.work_threads import WorkThreads

log = logging.getLogger(__name__)
THREADS: WorkThreads[UUID] = WorkThreads(4)
RENEW_EVERY_SECONDS = 30.0
READ_BYTES = 1024 * 1024
LONGEST_NAME = 200
"""In bytes, of a file that keeps its name when it is moved."""
UNTIL_THERE_IS_ROOM = ("quota_monthly_seconds", "quota_stored_bytes", "folder_gone")
"""Refusals that end with the month, or when somebody deletes something, or gives a mailbox another folder."""


class Stopping(Exception):
    """This process was told to stop."""


def start_due(stop: threading.Event) -> None:
    """Begins to take in what `polling` found. What is being read when `stop` is set is handed back.

    A tenant occupies one thread.
    """
    while not stop.is_set() and THREADS.free > 0 and (claim := arrivals.claim(THREADS.busy())):
        THREADS.start(f"Arrival {claim.id}", [claim.tenant_id], partial(take, claim, stop), claim.request_id)


def take_due() -> int:
    """Looks once, and takes in what is due now, one after the other. Returns how many were tried."""
    polling.look_into_all()
    count = 0
    while claim := arrivals.claim():
        take(claim, threading.Event())
        count += 1
    return count


def take(claim: Claim, stop: threading.Event) -> None:
    """Makes one attempt, and writes how it ended."""
    with scope.bound(claim.tenant_id), request_id.bound(claim.request_id):
        try:
            _take(claim, stop)
        except Stopping:
            arrivals.hand_back(claim)
        except LostClaim:
            log.info("Arrival %s was taken over.", claim.id)
        except Gone:
            arrivals.forget(claim)
        except OutboundError as error:
            log.info("Arrival %s could not be read or moved: %s", claim.id, error)
            places.failed(arrivals.load(claim).place, str(error))
            arrivals.later(claim, str(error))


def _take(claim: Claim, stop: threading.Event) -> None:
    """Raises Stopping, LostClaim, Gone and OutboundError."""
    row = arrivals.load(claim)
    if row.state == Arrival.State.WAITING:
        _accept(claim, row, stop)
        row = arrivals.load(claim)
    if row.state != Arrival.State.WAITING:
        with suppress(Gone):  # somebody moved it first
            _move(row)
        arrivals.moved(claim, row)


def _accept(claim: Claim, row: Arrival, stop: threading.Event) -> None:
    """Raises Stopping, LostClaim, Gone and OutboundError."""
    actor = Actor(tenant=row.tenant, permissions=tenant_access.EDIT)
    call = CallContext(endpoint="watched", id=row.id, in_transaction=partial(arrivals.accepted, claim))
    try:
        announcements.require_changes(actor)
        if row.attempts_made > arrivals.MOST_ATTEMPTS and row.last_error == "":
            raise Refused("too_complex", reason_for_people("too_complex"))  # it kills whoever reads it
        with storage.temporary_path() as path:
            file = _copy(row, path, _progress(claim, stop))
            row = arrivals.load(claim)  # the place may have changed meanwhile
            if row.place.kind == Place.Kind.MAILBOX:
                mail.require_listed(row.place, row.sender)
            way = Way.MAIL if row.place.kind == Place.Kind.MAILBOX else Way.WATCHED
            options = TranscriptionOptions.checked()
            mailed = Mailed(row.sender, str(row.place.folder_id or ""))
            accept.accept(actor, file, options, "api", call, way=way, mailed=mailed)
    except Refused as refused:
        if refused.code in UNTIL_THERE_IS_ROOM:
            arrivals.later(claim, str(refused), until_there_is_room=True)
        elif refused.may_succeed_later:
            arrivals.later(claim, str(refused))
        else:
            arrivals.refused(claim, str(refused))
    except ReadingOnly as reading_only:
        arrivals.later(claim, str(reading_only), until_there_is_room=True)
    except InvalidOption as invalid:
        arrivals.refused(claim, str(invalid))


def _copy(row: Arrival, path: Path, on_progress: Callable[[], None]) -> Copy:
    """Copies the file to this machine's disk. Raises Refused, Gone and OutboundError."""
    limit = min(row.tenant.quota.upload_bytes, settings.UPLOAD_BYTES_LIMIT)
    if row.size > limit:
        raise too_large(limit)
    lend_connection()
    if row.place.kind == Place.Kind.MAILBOX:
        return mail.copy(row, path, limit, on_progress)
    if row.place.kind == Place.Kind.BUCKET:
        return _from_bucket(row, path, limit, on_progress)
    with disk.opened(row.tenant_id, row.place.path, disk.IN) as folder:
        _require_same(row, folder)
        with disk.reading(folder, row.path) as source, path.open("wb") as target:
            digest, size = hashlib.sha256(), 0
            while chunk := os.read(source, READ_BYTES):
                target.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                if size > limit:
                    raise too_large(limit)
                on_progress()
        _require_same(row, folder)
    return Copy(row.path, path, size, digest.hexdigest())


def _from_bucket(row: Arrival, path: Path, limit: int, on_progress: Callable[[], None]) -> Copy:
    """Raises Refused, Gone and OutboundError."""
    url = s3.signed_url(places.bucket_of(row.place), places.key_of(row.place, disk.IN, row.path))
    try:
        seconds = settings.FETCH_SECONDS_LIMIT
        found = download(url, path, limit, seconds, lambda _size: on_progress(), BUCKETS, _etag(row))
    except OutboundError as error:
        if error.status in (404, 412):
            raise Gone from error
        if error.code == "too_large":
            raise too_large(limit) from error
        raise
    if found.etag != _etag(row):
        raise Gone
    return Copy(row.path, path, found.size, found.sha256, found.seconds)


def _require_same(row: Arrival, folder: int) -> None:
    """Raises Gone."""
    now = disk.look(folder, row.path)
    if now is None or now.version != row.version:
        raise Gone


def _move(row: Arrival) -> None:
    """Moves the file to `done/` or `failed/`, where a text beside it says why. Raises Gone and OutboundError."""
    part = disk.DONE if row.state == Arrival.State.ACCEPTED else disk.FAILED
    if row.place.kind == Place.Kind.MAILBOX:
        mail.move(row)
        return
    if row.place.kind == Place.Kind.BUCKET:
        _move_object(row, part)
        return
    path = row.place.path
    with disk.opened(row.tenant_id, path, disk.IN) as source, disk.opened(row.tenant_id, path, part) as end:
        held = _held(row, source)
        name = _free_name(row, part, partial(disk.exists, end))
        if part == disk.FAILED:
            disk.write(end, f"{name}.txt", _reason(row))
        disk.move(source, held, end, name)


def _held(row: Arrival, folder: int) -> str:
    """Gives the file a name under which nobody puts another one in its place, and returns it. Raises Gone."""
    held = f".{row.id.hex}.part"
    if disk.exists(folder, held):
        return held  # by a process that died
    _require_same(row, folder)
    disk.move(folder, row.path, folder, held)
    now = disk.look(folder, held)
    if now is None or now.version != row.version:
        disk.move(folder, held, folder, row.path if not disk.exists(folder, row.path) else _own_name(row))
        raise Gone
    return held


def _move_object(row: Arrival, part: str) -> None:
    """Raises Gone and OutboundError."""
    place, bucket = row.place, places.bucket_of(row.place)

    def is_taken(name: str) -> bool:
        try:
            found = s3.etag_of(bucket, places.key_of(place, part, name))
        except OutboundError as error:
            if error.status != 403:  # who may not list gets it where there is nothing, too
                raise
            return True
        return found not in (None, _etag(row))  # one with this ETag was copied before the process died

    try:
        name = _free_name(row, part, is_taken)
        if part == disk.FAILED:
            key = places.key_of(place, part, f"{name}.txt")
            s3.put(bucket, key, _reason(row), "text/plain; charset=utf-8")
        s3.move(bucket, places.key_of(place, disk.IN, row.path), places.key_of(place, part, name), _etag(row))
    except OutboundError as error:
        if error.status in (404, 412):
            raise Gone from error
        raise


def _free_name(row: Arrival, part: str, is_taken: Callable[[str], bool]) -> str:
    """Returns the file's name in `done/` or `failed/`: another one if something there has it, or its reason's."""
    names = [row.path, f"{row.path}.txt"] if part == disk.FAILED else [row.path]
    is_long = len(row.path.encode()) > LONGEST_NAME
    return _own_name(row) if is_long or any(map(is_taken, names)) else row.path


def _own_name(row: Arrival) -> str:
    """Returns a name that no other arrival's file has."""
    name = PurePosixPath(row.path)
    ending = name.suffix if len(name.suffix) <= 10 else ""
    return disk.file_name(name.stem, f"-{row.id.hex[:12]}{ending}")


def _etag(row: Arrival) -> str:
    return row.version.rpartition("-")[0]


def _reason(row: Arrival) -> bytes:
    return f"{row.last_error}\n".encode()


def _progress(claim: Claim, stop: threading.Event) -> Callable[[], None]:
    """Returns what is called as bytes come: it renews the lease, and raises LostClaim and Stopping."""

    def renew() -> None:
        arrivals.renew(claim)
        lend_connection()

    renewal = Renewal(renew, RENEW_EVERY_SECONDS)

    def on_bytes() -> None:
        if stop.is_set():
            raise Stopping
        renewal()

    return on_bytes

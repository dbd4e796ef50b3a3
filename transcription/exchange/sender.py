"""Writes due exports to their places. Runs beside the sweeper; any number may run.

What is written twice has the same name, so that the second is in the place of the first. Before each file the lease
is renewed, which lasts longer than the writing of one; who lost it has what was written after that written again.
"""

from __future__ import annotations

import logging
from functools import partial
from uuid import UUID

from tenants import scope
from transcription import exports, request_id
from transcription.connections import lend_connection
from transcription.exchange import deliveries, disk, places
from transcription.exchange.models import Place
from transcription.exports import Export
from transcription.leases import Claim, LostClaim
from transcription.library.retention import TextDeleted
from transcription.models import Recording
from transcription.outbound import s3
from transcription.outbound.errors import OutboundError
from transcription.work_threads import WorkThreads

log = logging.getLogger(__name__)
THREADS: WorkThreads[UUID] = WorkThreads(4)


def start_due() -> None:
    """Begins to write what is due. A tenant occupies one thread."""
    while THREADS.free > 0 and (claim := deliveries.claim(THREADS.busy())):
        THREADS.start(f"Writing the exports {claim.id}", [claim.tenant_id], partial(send, claim), claim.request_id)


def send_due() -> int:
    """Writes what is due now, one after the other. Returns how many were tried."""
    count = 0
    while claim := deliveries.claim():
        send(claim)
        count += 1
    return count


def send(claim: Claim) -> None:
    """Makes one attempt, and writes how it ended."""
    with scope.bound(claim.tenant_id), request_id.bound(claim.request_id):
        try:
            _send(claim)
        except LostClaim:
            log.info("The exports %s were asked for again, or deleted.", claim.id)


def _send(claim: Claim) -> None:
    """Raises LostClaim."""
    row, text = deliveries.load(claim)
    has_begun = False
    try:
        try:
            for name in row.formats:
                export = exports.render(text, name)
                deliveries.renew(claim)
                lend_connection()
                has_begun = True
                _write(row.place, _name(row.recording, export.file_name), export)
        except TextDeleted as deleted:
            deliveries.failed(claim, str(deleted), for_good=True)
        except OutboundError as error:
            log.info("Exports %s could not be written: %s", claim.id, error)
            deliveries.failed(claim, str(error))
        else:
            deliveries.delivered(claim, text)
    except LostClaim:
        if has_begun:
            deliveries.write_anew(claim)
        raise


def _write(place: Place, name: str, export: Export) -> None:
    """Raises OutboundError."""
    if place.kind == Place.Kind.BUCKET:
        key = places.key_of(place, disk.OUT, name)
        s3.put(places.bucket_of(place), key, _bytes(export), export.content_type)
        return
    with disk.opened(place.tenant_id, place.path, disk.OUT) as folder:
        disk.write(folder, name, _bytes(export))


def _name(recording: Recording, name: str) -> str:
    """Returns a name that no other recording's export has, and the same each time."""
    stem, _dot, format = name.rpartition(".")
    return disk.file_name(stem, f"-{recording.id.hex[:12]}.{format}")


def _bytes(export: Export) -> bytes:
    return export.body if isinstance(export.body, bytes) else export.body.encode()

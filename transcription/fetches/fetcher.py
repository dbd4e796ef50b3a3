"""Downloads due fetches and has intake accept them. Runs beside the sweeper; any number may run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import UUID

from django.conf import settings

from tenants import access as tenant_access
from tenants import scope
from tenants.access import Actor
from transcription import request_id
from transcription.connections import lend_connection
from transcription.errors import InvalidOption, Refused
from transcription.fetches import access, claims
from transcription.fetches.models import Fetch
from transcription.intake import accept
from transcription.intake.request import CallContext
from transcription.leases import Claim, LostClaim, Renewal
from transcription.media import storage
from transcription.models import Transcription, Way
from transcription.outbound.download import Downloaded, download
from transcription.outbound.errors import OutboundError
from transcription.work_threads import WorkThreads

log = logging.getLogger(__name__)
THREADS: WorkThreads[UUID] = WorkThreads(8)
FOR_TENANT = 2
"""One tenant's slow servers leave threads for the others."""
RENEW_EVERY_SECONDS = 5.0


class Stopping(Exception):
    """This process was told to stop."""


def start_due(stop: threading.Event) -> None:
    """Begins what is due, each fetch in a thread. Those under way when `stop` is set are handed back."""
    while not stop.is_set() and THREADS.free > 0 and (claim := claims.claim(THREADS.busy(FOR_TENANT))):
        THREADS.start(f"Fetch {claim.id}", [claim.tenant_id], partial(fetch, claim, stop), claim.request_id)


def fetch_due() -> int:
    """Fetches what is due now, one after the other. Returns how many."""
    count = 0
    while claim := claims.claim():
        fetch(claim, threading.Event())
        count += 1
    return count


def fetch(claim: Claim, stop: threading.Event) -> None:
    """Makes one attempt, and writes how it ended."""
    with scope.bound(claim.tenant_id), request_id.bound(claim.request_id):
        try:
            _fetch(claim, stop)
        except LostClaim:
            log.info("Fetch %s was cancelled, or taken over.", claim.id)
        except Stopping:
            claims.hand_back(claim)


def _fetch(claim: Claim, stop: threading.Event) -> None:
    """Raises LostClaim and Stopping."""
    row = claims.claimed_fetch(claim)
    try:
        if (made := _made(row)) is not None:
            claims.complete(claim, made)
            return
        with storage.temporary_path() as path:
            limit = min(row.tenant.quota.upload_bytes, settings.UPLOAD_BYTES_LIMIT)
            lend_connection()
            file = download(row.url, path, limit, settings.FETCH_SECONDS_LIMIT, _progress(claim, stop))
            claims.arrived(claim, file.size)
            _accept(claim, row, file)
    except OutboundError as error:
        if error.may_succeed_later:
            claims.try_later(claim, error.code, str(error), error.retry_after)
        else:
            claims.fail(claim, error.code, str(error))
    except Refused as refused:
        if refused.may_succeed_later:
            claims.try_later(claim, refused.code, str(refused))
        else:
            claims.fail(claim, refused.code, str(refused))
    except InvalidOption as invalid:  # what only the file itself can tell
        claims.fail(claim, invalid.code, str(invalid))


def _made(row: Fetch) -> Transcription | None:
    """Returns what an attempt of an older version created before it was killed, without writing it to the fetch."""
    return Transcription.objects.filter(id=row.id).first()


def _accept(claim: Claim, row: Fetch, file: Downloaded) -> None:
    """Completes the fetch in the transaction that creates the recording. Raises Refused and LostClaim.

    If another request used the idempotency key meanwhile, the file is accepted without it.
    """
    actor = Actor(tenant=row.tenant, permissions=tenant_access.EDIT, key=row.api_key)
    done = partial(claims.complete, claim)
    call = CallContext(endpoint=row.endpoint, key=row.idempotency_key, id=row.id, in_transaction=done)
    named = replace(file, file_name=row.name or file.file_name)
    options = access.options_of(row)
    try:
        accept.accept(actor, named, options, "api", call, row.folder, Way.URL)
    except Refused as refused:
        if refused.code != "idempotency_key_reused":
            raise
        accept.accept(actor, named, options, "api", replace(call, key=""), row.folder, Way.URL)


def _progress(claim: Claim, stop: threading.Event) -> Callable[[int], None]:
    """Returns what is called as bytes come: it renews the lease, and raises LostClaim and Stopping."""

    def renew(size: int) -> None:
        claims.renew(claim, size)
        lend_connection()

    renewal = Renewal(renew, RENEW_EVERY_SECONDS)

    def on_bytes(size: int) -> None:
        if stop.is_set():
            raise Stopping
        renewal(size)

    return on_bytes

"""Sends due deliveries. Runs beside the sweeper; any number may run, and each delivery is claimed by one.

A slow or dead receiver occupies threads, so their number is limited: per endpoint, per tenant, for all failing
endpoints together, and to one for each of these.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from functools import partial
from uuid import UUID

from django.db import connection
from django.utils import timezone

from tenants import scope
from transcription import request_id, tracing
from transcription.leases import Claim
from transcription.outbound import requests
from transcription.outbound.errors import OutboundError
from transcription.tracing import Span
from transcription.webhooks import deliveries, endpoints, signing
from transcription.webhooks.deliveries import DueEndpoint, Outcome
from transcription.webhooks.models import Delivery
from transcription.work_threads import WorkThreads

log = logging.getLogger(__name__)
FAILING = "failing"
THREADS: WorkThreads[UUID | str] = WorkThreads(32)
FOR_FAILING = 16
FOR_TENANT = 8
FOR_ENDPOINT = 4


def start_due() -> None:
    """Begins to send what is due, each delivery in a thread."""
    for due, claim in _claimed():
        owners: list[UUID | str] = [due.tenant_id, due.endpoint_id, *([FAILING] if due.is_failing else [])]
        THREADS.start(f"Delivery {claim.id}", owners, partial(send, claim), claim.request_id)


def send_due() -> int:
    """Sends what is due now, one after the other. Returns how many."""
    count = 0
    for _due, claim in _claimed():
        send(claim)
        count += 1
    return count


def send(claim: Claim) -> bool:
    """Makes one attempt. Returns False if the claim was lost."""
    with scope.bound(claim.tenant_id), request_id.bound(claim.request_id):
        row = deliveries.load(claim)
        if row is None:
            return False
        if not connection.in_atomic_block:
            connection.close()  # not occupied while the receiver answers
        outcome = _attempt(row)
        _trace(row, outcome)
        log.info("Delivery %s of %s: %s", row.id, row.event.type, outcome.error or outcome.status)
        return deliveries.finish(claim, outcome)


def _claimed() -> Iterator[tuple[DueEndpoint, Claim]]:
    """Claims due deliveries, as many as may begin now."""
    for due in deliveries.due_endpoints():
        if most := _room_for(due):
            for claim in deliveries.claim(due, most):
                yield due, claim


def _room_for(due: DueEndpoint) -> int:
    most = [
        THREADS.free,
        FOR_TENANT - THREADS.held_by(due.tenant_id),
        (1 if due.is_failing else FOR_ENDPOINT) - THREADS.held_by(due.endpoint_id),
    ]
    return max(0, min([*most, FOR_FAILING - THREADS.held_by(FAILING)] if due.is_failing else most))


def _attempt(row: Delivery) -> Outcome:
    """Sends a delivery, without using the database."""
    moment, begin, body = timezone.now(), time.monotonic(), row.event.body.encode()
    try:
        signed = signing.headers(row.event.message_id, moment, body, endpoints.keys_of(row.endpoint))
        answer = requests.post(row.endpoint.url, body, {"Content-Type": "application/json", **_known_as(row), **signed})
    except OutboundError as error:
        return Outcome(moment, time.monotonic() - begin, error=error.code)
    except signing.SecretLost:
        return Outcome(moment, time.monotonic() - begin, error="secret_lost")
    return Outcome(
        moment,
        time.monotonic() - begin,
        answer.status,
        _code(answer.status),
        answer.body.decode("utf-8", "replace").replace("\x00", "\ufffd"),
        answer.retry_after,
    )


def _known_as(row: Delivery) -> dict[str, str]:
    """Returns the header with the id of the HTTP request that the event goes back to, if there was one."""
    return {"X-Request-Id": row.request_id} if row.request_id else {}


def _trace(row: Delivery, outcome: Outcome) -> None:
    if tracing.is_on() and row.request_id:
        begin = outcome.started_at.timestamp()
        attributes: dict[str, str | int | float] = {"event": row.event.type, "delivery": str(row.id)}
        attributes |= {"http.response.status_code": outcome.status} if outcome.status else {}
        span = Span("webhook", begin, begin + outcome.seconds, attributes, outcome.error, "CLIENT")
        tracing.send(row.request_id, span)


def _code(status: int) -> str:
    if 200 <= status < 300:
        return ""
    return "redirect" if 300 <= status < 400 else "status"

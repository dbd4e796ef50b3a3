"""Sends due deliveries. Runs beside the sweeper; any number may run, and each delivery is claimed by one.

A slow or dead receiver occupies threads, so their number is limited: per endpoint, per tenant, for all failing
endpoints together, and to one for each of these.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from django.db import close_old_connections, connection, connections
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

log = logging.getLogger(__name__)
THREADS = 32
FOR_FAILING = 16
FOR_TENANT = 8
FOR_ENDPOINT = 4
LOOK_EVERY_SECONDS = 1.0


@dataclass
class ConcurrencyLimits:
    """Counts the threads that send, by what limits them."""

    total: int = 0
    failing: int = 0
    tenants: Counter[object] = field(default_factory=Counter)
    endpoints: Counter[object] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def left_for(self, due: DueEndpoint) -> int:
        most = [
            THREADS - self.total,
            FOR_TENANT - self.tenants[due.tenant_id],
            (1 if due.is_failing else FOR_ENDPOINT) - self.endpoints[due.endpoint_id],
        ]
        return max(0, min([*most, FOR_FAILING - self.failing] if due.is_failing else most))

    def take(self, due: DueEndpoint, count: int = 1) -> None:
        with self.lock:
            self.total += count
            self.failing += count * due.is_failing
            self.tenants[due.tenant_id] += count
            self.endpoints[due.endpoint_id] += count
            if count < 0:
                self.tenants += Counter()  # removes zeros
                self.endpoints += Counter()

    def leave(self, due: DueEndpoint) -> None:
        self.take(due, -1)


def run(stop: threading.Event) -> None:
    """Sends until `stop` is set, then finishes what is being sent."""
    limits = ConcurrencyLimits()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="webhook") as pool:
        while not stop.is_set():
            close_old_connections()
            try:
                for due, claim in _claimed(limits) if deliveries.DUE.sees_any() else ():
                    pool.submit(_send_in_thread, limits, due, claim)
            except Exception:
                log.exception("Due deliveries could not be read; trying again.")
            connections.close_all()
            stop.wait(LOOK_EVERY_SECONDS)


def send_due() -> int:
    """Sends what is due now, one after the other. Returns how many."""
    limits, count = ConcurrencyLimits(), 0
    for due, claim in _claimed(limits):
        send(claim)
        limits.leave(due)
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


def _claimed(limits: ConcurrencyLimits) -> Iterator[tuple[DueEndpoint, Claim]]:
    """Claims due deliveries within the limits, and counts each."""
    for due in deliveries.due_endpoints():
        if most := limits.left_for(due):
            for claim in deliveries.claim(due, most):
                limits.take(due)
                yield due, claim


def _send_in_thread(limits: ConcurrencyLimits, due: DueEndpoint, claim: Claim) -> None:
    try:
        send(claim)
    except Exception:
        with request_id.bound(claim.request_id):
            log.exception("Delivery %s broke off; it is sent again after its lease.", claim.id)
    finally:
        connections.close_all()
        limits.leave(due)


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

"""Sends what is due. Runs beside the sweeper; any number may run, and each delivery is claimed by one.

A slow or dead receiver holds threads, so nobody may hold many: an endpoint has few, a tenant some, all that fail at
the moment half of them together, and one that fails only one.
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
from transcription import request_id
from transcription.leases import Claim
from transcription.outbound import requests
from transcription.outbound.errors import OutboundError
from transcription.webhooks import deliveries, endpoints, signing
from transcription.webhooks.deliveries import Head, Outcome
from transcription.webhooks.models import Delivery

log = logging.getLogger(__name__)
THREADS = 32
FOR_FAILING = 16
FOR_TENANT = 8
FOR_ENDPOINT = 4
LOOK_EVERY_SECONDS = 1.0


@dataclass
class Rooms:
    """Who holds how many threads of this process."""

    total: int = 0
    failing: int = 0
    tenants: Counter[object] = field(default_factory=Counter)
    endpoints: Counter[object] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def left_for(self, head: Head) -> int:
        most = [
            THREADS - self.total,
            FOR_TENANT - self.tenants[head.tenant_id],
            (1 if head.is_failing else FOR_ENDPOINT) - self.endpoints[head.endpoint_id],
        ]
        return max(0, min([*most, FOR_FAILING - self.failing] if head.is_failing else most))

    def take(self, head: Head, count: int = 1) -> None:
        with self.lock:
            self.total += count
            self.failing += count * head.is_failing
            self.tenants[head.tenant_id] += count
            self.endpoints[head.endpoint_id] += count
            if count < 0:
                self.tenants += Counter()  # forgets those that hold nothing
                self.endpoints += Counter()

    def leave(self, head: Head) -> None:
        self.take(head, -1)


def run(stop: threading.Event) -> None:
    """Until `stop`; what is being sent then is finished first."""
    rooms = Rooms()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="webhook") as pool:
        while not stop.is_set():
            close_old_connections()
            try:
                for head, claim in _claimed(rooms):
                    pool.submit(_send_in_thread, rooms, head, claim)
            except Exception:
                log.exception("Webhooks could not be looked for; trying again.")
            connections.close_all()
            stop.wait(LOOK_EVERY_SECONDS)


def send_due() -> int:
    """Sends what is due now, one after the other; how many."""
    rooms, count = Rooms(), 0
    for head, claim in _claimed(rooms):
        send(claim)
        rooms.leave(head)
        count += 1
    return count


def send(claim: Claim) -> bool:
    """One attempt; False where the claim was lost."""
    with scope.bound(claim.tenant_id), request_id.bound(claim.request_id):
        row = deliveries.claimed(claim)
        if row is None:
            return False
        if not connection.in_atomic_block:
            connection.close()  # not held while a receiver thinks
        outcome = _attempt(row)
        log.info("Delivery %s of %s: %s", row.id, row.event.type, outcome.error or outcome.status)
        return deliveries.finish(claim, outcome)


def _claimed(rooms: Rooms) -> Iterator[tuple[Head, Claim]]:
    """Each with its room taken."""
    for head in deliveries.heads():
        if most := rooms.left_for(head):
            for claim in deliveries.claims(head, most):
                rooms.take(head)
                yield head, claim


def _send_in_thread(rooms: Rooms, head: Head, claim: Claim) -> None:
    try:
        send(claim)
    except Exception:
        with request_id.bound(claim.request_id):
            log.exception("Delivery %s broke off; it is sent again after its lease.", claim.id)
    finally:
        connections.close_all()
        rooms.leave(head)


def _attempt(row: Delivery) -> Outcome:
    """Sends a delivery and says what came of it; nothing of the database is held meanwhile."""
    moment, begin, body = timezone.now(), time.monotonic(), row.event.body.encode()
    try:
        signed = signing.headers(row.event.message_id, moment, body, endpoints.keys_of(row.endpoint))
        answer = requests.post(row.endpoint.url, body, {"Content-Type": "application/json", **signed})
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


def _code(status: int) -> str:
    if 200 <= status < 300:
        return ""
    return "redirect" if 300 <= status < 400 else "status"

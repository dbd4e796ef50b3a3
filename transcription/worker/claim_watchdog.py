"""Interrupts a job whose transcription was cancelled, deleted or given to another worker."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django.db import Error as DatabaseError
from django.db import connections

from tenants import scope
from transcription.leases import LostClaim
from transcription.queue import claims
from transcription.queue.claims import Claim

log = logging.getLogger(__name__)
CHECK_SECONDS = 1.0
CLEANUP_SECONDS = 10.0
STUCK_EXIT_CODE = 75


@contextmanager
def interrupt_when_lost(claim: Claim) -> Iterator[None]:
    """Raises LostClaim in the main thread within about CHECK_SECONDS of the claim's loss.

    Ends the process when the main thread, which may be stuck in C code, has not left the block CLEANUP_SECONDS later.
    """
    ended = threading.Event()
    previous = signal.signal(signal.SIGUSR2, _raise_lost_claim)
    watcher = threading.Thread(target=_watch, args=(claim, ended), name="claim-watchdog", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        watcher.join()
        signal.signal(signal.SIGUSR2, previous)


def _watch(claim: Claim, ended: threading.Event) -> None:
    while not ended.wait(CHECK_SECONDS):
        if _holds(claim):
            continue
        os.kill(os.getpid(), signal.SIGUSR2)
        if ended.wait(CLEANUP_SECONDS):
            break
        log.error("Ending the process: transcription %s is lost and its job does not stop.", claim.transcription_id)
        os._exit(STUCK_EXIT_CODE)
    connections.close_all()


def _holds(claim: Claim) -> bool:
    """Returns True while the database is away: nobody else can have taken the claim then."""
    try:
        with scope.bound(claim.tenant_id):
            return claims.holds(claim)
    except DatabaseError:
        connections.close_all()
        return True


def _raise_lost_claim(_signal: int, _frame: FrameType | None) -> None:
    raise LostClaim

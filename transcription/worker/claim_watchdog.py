"""Stops a job whose transcription is no longer its own: cancelled, deleted, or given to another worker."""

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
LOOK_EVERY_SECONDS = 1.0
TIDYING_SECONDS = 10.0
STUCK_EXIT = 75


@contextmanager
def held(claim: Claim) -> Iterator[None]:
    """Raises LostClaim in the main thread, wherever it is, within a second or so of the claim's loss.

    It has TIDYING_SECONDS to tidy up. A main thread that sits in C code hears nothing: then the process is ended.
    """
    over = threading.Event()
    before = signal.signal(signal.SIGUSR2, _let_go)
    watcher = threading.Thread(target=_watch, args=(claim, over), name="leash", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        watcher.join()
        signal.signal(signal.SIGUSR2, before)


def _watch(claim: Claim, over: threading.Event) -> None:
    while not over.wait(LOOK_EVERY_SECONDS):
        if _is_ours(claim):
            continue
        os.kill(os.getpid(), signal.SIGUSR2)
        if over.wait(TIDYING_SECONDS):
            break
        log.error("Transcription %s is lost and its job does not stop: ending the process.", claim.transcription_id)
        os._exit(STUCK_EXIT)
    connections.close_all()


def _is_ours(claim: Claim) -> bool:
    """While the database is away nobody else can have taken it."""
    try:
        with scope.bound(claim.tenant_id):
            return claims.holds(claim)
    except DatabaseError:
        connections.close_all()
        return True


def _let_go(_signal: int, _frame: FrameType | None) -> None:
    raise LostClaim

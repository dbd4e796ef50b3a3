"""Renews a claim's lease on progress that saves no text yet: a copied megabyte, a decoded minute, a turn waited for."""

from __future__ import annotations

import time

from django.conf import settings

from transcription.queue import lifecycle
from transcription.queue.claims import Claim
from transcription.queue.database_outage import retry_through_outage


class LeaseRenewer:
    """Renews at most six times in the course of a lease."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._renewed_at = time.monotonic()

    def renew_if_due(self) -> None:
        """Raises LostClaim."""
        if time.monotonic() - self._renewed_at > settings.LEASE_SECONDS / 6:
            retry_through_outage(lifecycle.renew, self._claim)
            self._renewed_at = time.monotonic()

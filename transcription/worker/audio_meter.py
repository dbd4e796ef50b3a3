"""Measures the audio that a job decodes, and reserves what it proves to need."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.conf import settings

from tenants import quota
from tenants.quota import QuotaExceeded
from transcription import media
from transcription.models import Transcription
from transcription.queue import lifecycle
from transcription.queue.claims import Claim
from transcription.queue.database_outage import retry_through_outage

EXTENSION_SECONDS = 60


class AudioMeter:
    """Counts decoded `seconds`, and extends the reservation of a recording that is longer than it said.

    `longest` is how many seconds are to be decoded at most: a second more than a recording may have.
    """

    def __init__(self, row: Transcription, claim: Claim, on_progress: Callable[[], None]) -> None:
        self.seconds = 0.0
        self.longest = min(row.tenant.quota.recording_seconds, settings.DECODED_SECONDS_LIMIT) + 1.0
        self._claim = claim
        self._on_progress = on_progress
        self._reserved = quota.held_seconds(row.id)

    def watch(self, pcm: Iterator[bytes]) -> Iterator[bytes]:
        """Passes PCM on, calling `on_progress` for each chunk. Raises QuotaExceeded and LostClaim."""
        for chunk in pcm:
            self.seconds += len(chunk) / media.BYTES_PER_SECOND
            if (needed := quota.billed_seconds(self.seconds)) > self._reserved:
                self._reserve(needed)
            self._on_progress()
            yield chunk

    def _reserve(self, seconds: int) -> None:
        """Reserves a minute ahead, or to the second where the quota has no such room. Raises QuotaExceeded."""
        try:
            self._extend_to(seconds + EXTENSION_SECONDS)
        except QuotaExceeded:
            self._extend_to(seconds)

    def _extend_to(self, seconds: int) -> None:
        retry_through_outage(lifecycle.extend, self._claim, seconds)
        self._reserved = seconds

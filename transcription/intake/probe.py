"""Probes received files: how many at once, for how long, and what each failure tells the caller."""

from __future__ import annotations

import logging
import os

from django.conf import settings
from django.utils.translation import gettext as _

from tenants import quota
from tenants.access import Actor
from tenants.quota import QuotaExceeded
from transcription import media
from transcription.concurrency import ConcurrencyLimit, TooBusy
from transcription.connections import lend_connection
from transcription.errors import Refused, over_quota, reason_for_people
from transcription.intake.request import ReceivedFile
from transcription.media import DecoderDied, MediaError
from transcription.options import audio_tracks

log = logging.getLogger(__name__)
PROBES_AT_ONCE = 2 * (os.cpu_count() or 1)
PROBES = ConcurrencyLimit(PROBES_AT_ONCE, share=PROBES_AT_ONCE // 2)
"""Of this process. A tenant has half of them at most, so that its slow files leave room for the others' quick ones."""
WAIT_SECONDS = 60.0
"""For a place; the probe itself may then take 40 s."""


def probe(actor: Actor, upload: ReceivedFile, audio_track: int) -> media.Probe:
    """Probes a file for its audio track of this number, or for the best one if it is 0.

    Raises Refused and InvalidOption.
    """
    tenant = actor.tenant
    longest = min(tenant.quota.recording_seconds, settings.DECODED_SECONDS_LIMIT)
    budget = quota.snapshot(tenant).left_seconds
    lend_connection()
    try:
        with PROBES.slot(tenant.id, WAIT_SECONDS):
            return media.probe(upload.path, longest, budget, audio_track - 1 if audio_track else None, upload.file_name)
    except TooBusy:
        raise too_busy() from None
    except DecoderDied as died:
        log.warning("A file of tenant %s could not be read: %s", tenant.id, died)
        message = _("Reading the file was interrupted, by no fault of its own. Send it again in a moment.")
        raise Refused("interrupted", message) from died
    except MediaError as error:
        if error.code == "too_long":
            raise over_quota(tenant, QuotaExceeded("recording_seconds", longest, longest, longest)) from error
        if error.code == audio_tracks.NO_SUCH_TRACK:
            raise audio_tracks.no_such_track(error.tracks) from error
        log.info("Refused a file of tenant %s: %s (%s)", tenant.id, error.code, error)
        raise Refused(error.code, reason_for_people(error.code)) from error


def too_busy() -> Refused:
    message = _("Too many of your files are being checked at once. Send this one again in a moment.")
    return Refused("busy", message)

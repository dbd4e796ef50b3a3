"""Audit entries of reading transcripts and audio.

Each is one INSERT, written before anything is returned: if it fails, the reader gets an error and no content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from tenants import audit
from tenants.access import Actor
from transcription.models import Recording, Transcription

PLAYBACK_WINDOW = timedelta(minutes=10)  # a player requests a recording in many ranges
SEARCH_WINDOW = timedelta(minutes=10)


def read(actor: Actor, row: Transcription, by: str) -> None:
    """Records that the text was returned; `by` says whether on a page, over a socket or by a request."""
    audit.record(actor, "transcript.read", row, recording=str(row.recording_id), by=by)


def exported(actor: Actor, row: Transcription, format: str) -> None:
    """Records that the text was downloaded."""
    audit.record(actor, "transcript.exported", row, recording=str(row.recording_id), format=format)


def searched(actor: Actor, hits: int, shown: Sequence[UUID]) -> None:
    """Records a page of `hits` search results that shows text of the transcriptions `shown`.

    The query isn't stored: its words are in the text, and would outlive it.
    """
    audit.record(actor, audit.SEARCHED, hits=hits, transcriptions=[str(transcription_id) for transcription_id in shown])


def listed(actor: Actor, shown: Sequence[UUID]) -> None:
    """Records that a list shows passages of the transcriptions `shown`: one entry per SEARCH_WINDOW for the same ones.

    A list that is open is asked for again whenever something changes.
    """
    names = sorted(map(str, shown))
    slot = int.from_bytes(hashlib.sha256("".join(names).encode()).digest()[:8])
    audit.record_once(actor, audit.SEARCHED, None, SEARCH_WINDOW, slot, hits=len(names), transcriptions=names)


def played(actor: Actor, recording: Recording) -> None:
    """Records that the audio, or a range of it, was played: one entry per PLAYBACK_WINDOW."""
    audit.record_once(actor, "audio.played", recording, PLAYBACK_WINDOW)


def downloaded(actor: Actor, recording: Recording) -> None:
    """Records that the audio was downloaded: one entry per PLAYBACK_WINDOW, since downloads use ranges too."""
    audit.record_once(actor, "audio.exported", recording, PLAYBACK_WINDOW)

"""Whoever is given a transcript's text stands in the audit log: one entry a request."""

from __future__ import annotations

from tenants import audit
from tenants.access import Actor
from transcription.models import Transcription


def read(actor: Actor, row: Transcription, by: str) -> None:
    """The text is shown on a page, sent over a socket or returned by a request: `by` says which."""
    audit.record(actor, "transcript.read", row, recording=str(row.recording_id), by=by)


def exported(actor: Actor, row: Transcription, format: str) -> None:
    """The text is handed out as a file."""
    audit.record(actor, "transcript.exported", row, recording=str(row.recording_id), format=format)

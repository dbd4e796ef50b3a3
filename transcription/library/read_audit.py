"""Whoever is given a tenant's words or sound stands in its audit log, or is given nothing.

One INSERT each. Where it can't be written the reader gets an error: what nobody would know of does not leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from tenants import audit
from tenants.access import Actor
from transcription.models import Recording, Transcription

HEARING = timedelta(minutes=10)  # a player asks for a recording in many pieces


def read(actor: Actor, row: Transcription, by: str) -> None:
    """The text is shown on a page, sent over a socket or returned by a request: `by` says which."""
    audit.record(actor, "transcript.read", row, recording=str(row.recording_id), by=by)


def exported(actor: Actor, row: Transcription, format: str) -> None:
    """The text is handed out as a file."""
    audit.record(actor, "transcript.exported", row, recording=str(row.recording_id), format=format)


def searched(actor: Actor, hits: int, shown: Sequence[UUID]) -> None:
    """Of `hits` recordings on a page of results, the text of these transcriptions is shown in part.

    The words that were looked for are not kept: where they were found they are the text, and outlive it.
    """
    audit.record(actor, audit.SEARCHED, hits=hits, transcriptions=[str(one) for one in shown])


def played(actor: Actor, recording: Recording) -> None:
    """The player is given the sound, or a piece of it: one entry within HEARING."""
    audit.record_once(actor, "audio.played", recording, HEARING)


def downloaded(actor: Actor, recording: Recording) -> None:
    """The sound is handed out as a file: one entry within HEARING, since a download may come in pieces too."""
    audit.record_once(actor, "audio.exported", recording, HEARING)

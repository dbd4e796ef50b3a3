"""Tells watchers how a transcription moves. These are hints: every page converges on the database.

The groups of the channel layer are `transcription.<id>` for one, `tenant.<id>` for everything of a tenant, and
`transcript.<id>` for the pages on which a finished text is read and corrected, and `operators` for their pages.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable
from concurrent.futures import Future, wait
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer
from django.db import Error as DatabaseError

from transcription.models import Recording, Segment, Transcription
from transcription.strikes import redacted_segments, spans_of

log = logging.getLogger(__name__)
TIMEOUT_SECONDS = 2.0
OPERATORS = "operators"


def transcription_group(transcription_id: UUID | str) -> str:
    return f"transcription.{transcription_id}"


def tenant_group(tenant_id: UUID | str) -> str:
    return f"tenant.{tenant_id}"


def transcript_group(transcription_id: UUID | str) -> str:
    return f"transcript.{transcription_id}"


class Publisher:
    """Sends events from one event loop in a thread of its own, so that a process connects to Redis once."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._last: Future[None] | None = None
        threading.Thread(target=self._loop.run_forever, name="progress", daemon=True).start()

    def send(self, messages: list[tuple[str, dict[str, Any]]]) -> None:
        """Sends (group, event) pairs in the background, in order."""
        self._last = asyncio.run_coroutine_threadsafe(self._send(messages, self._last), self._loop)

    def flush(self) -> None:
        """Waits until all events are sent, TIMEOUT_SECONDS at most."""
        if self._last is not None:
            wait([self._last], TIMEOUT_SECONDS)

    async def _send(self, messages: list[tuple[str, dict[str, Any]]], previous: Future[None] | None) -> None:
        if previous is not None:
            await asyncio.wrap_future(previous)
        layer = get_channel_layer()
        assert layer is not None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await asyncio.gather(*(layer.group_send(group, event) for group, event in messages))
        except Exception as error:
            log.warning(
                "Watchers were not told (%s); their pages ask the database.", str(error) or type(error).__name__
            )


_publisher: Publisher | None = None
_publisher_lock = threading.Lock()


def _publish(messages: list[tuple[str, dict[str, Any]]]) -> None:
    global _publisher
    with _publisher_lock:
        if _publisher is None:
            _publisher = Publisher()
    _publisher.send(messages)


def flush() -> None:
    """Waits for the last event. Call it before the process ends."""
    if _publisher is not None:
        _publisher.flush()


def announce_change(tenant_id: UUID, recording_id: UUID, transcription_id: UUID) -> None:
    """Tells watchers of a changed status: they read the database again."""
    event = {"type": "recording.changed", "recording": str(recording_id), "transcription": str(transcription_id)}
    told = [(transcription_group(transcription_id), event), (tenant_group(tenant_id), event)]
    _publish([*told, (OPERATORS, {"type": "operators.changed"})])


def announce_revision(transcription_id: UUID, revision: int) -> None:
    """Tells the pages of a transcript that it was changed."""
    event = {"type": "transcript.changed", "revision": revision}
    _publish([(transcript_group(transcription_id), event)])


def announce_name(tenant_id: UUID, recording_id: UUID, transcription_ids: Iterable[UUID]) -> None:
    """Tells the lists, and the pages of a recording's transcripts, that it has another name."""
    told = [(transcript_group(one), {"type": "recording.renamed"}) for one in transcription_ids]
    event = {"type": "recording.changed", "recording": str(recording_id), "transcription": ""}
    _publish([*told, (tenant_group(tenant_id), event)])


def announce_checks(transcription_id: UUID) -> None:
    """Tells the pages of a transcript that something of it was checked, or is not any more."""
    _publish([(transcript_group(transcription_id), {"type": "checks.changed"})])


def announce_comments(transcription_ids: Iterable[UUID]) -> None:
    """Tells the pages of a recording's transcripts that what is said about it changed."""
    _publish([(transcript_group(one), {"type": "comments.changed"}) for one in transcription_ids])


def announce_progress(row: Transcription, sequence: int, segments: list[Segment]) -> None:
    """Tells watchers of saved segments, without what is struck.

    `sequence` counts the saves of a transcription without a gap.

    Those of the recordings are not told of a range that is heard again, or of a translation beside.
    """
    try:
        row.recording.refresh_from_db(fields=["struck"])  # it may have been struck since the job began
        shown = redacted_segments(segments, spans_of(row))
    except (DatabaseError, Recording.DoesNotExist):
        return  # pages read the database again
    event = {
        "type": "transcription.progress",
        "transcription": str(row.id),
        "seq": sequence,
        "percent": row.percent,
        "segments": [segment_data(segment) for segment in shown],
    }
    messages = [(transcription_group(row.id), event)]
    if row.is_main:
        short = {"type": "recording.progress", "recording": str(row.recording_id), "percent": row.percent}
        messages.append((tenant_group(row.tenant_id), short))
    _publish(messages)


def segment_data(segment: Segment) -> dict[str, Any]:
    """Returns a segment as watchers are sent it."""
    return {
        "index": segment.index,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text.strip(),
        "speaker": segment.speaker,
    }

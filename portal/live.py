"""WebSockets of the pages: a snapshot on connect, then hints. The database decides what is shown."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.http import Http404
from django.urls import path
from django.utils.translation import override

from portal.sessions import actor_of_session
from tenants import addresses, scope
from tenants.access import Actor
from transcription import eta, library, progress, reading
from transcription.failures import reason_for_people
from transcription.models import Status, Transcription

log = logging.getLogger(__name__)
RECHECK_SECONDS = 3.0
REDIS_PATIENCE_SECONDS = 1.0
NOT_SIGNED_IN, NOT_FOUND = 4401, 4404


class TenantConsumer(AsyncJsonWebsocketConsumer):
    """A signed-in member's socket. Membership is checked again while it is open."""

    group = ""
    tenant_id: UUID
    recheck: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self.accept()
        actor = await self.actor()
        if actor is None:
            await self.close(NOT_SIGNED_IN)
            return
        self.tenant_id = actor.tenant.id
        try:
            self.group = await self.open(actor)
        except Http404:
            await self.close(NOT_FOUND)
            return
        await self._join()
        await self.greet()
        self.recheck = asyncio.create_task(self._keep_checking())

    async def disconnect(self, code: int) -> None:
        if self.recheck is not None:
            self.recheck.cancel()
        if self.group:
            with suppress(Exception):  # the channel layer forgets who is silent
                await self.channel_layer.group_discard(self.group, self.channel_name)

    async def _join(self) -> None:
        """Without the channel layer the socket serves on: `check` asks the database."""
        try:
            async with asyncio.timeout(REDIS_PATIENCE_SECONDS):
                await self.channel_layer.group_add(self.group, self.channel_name)
        except Exception as error:
            log.warning("A page watches without events (%s).", error or type(error).__name__)

    @database_sync_to_async
    def actor(self) -> Actor | None:
        """The member as the database has it now, in the tenant whose page this is."""
        tenant_id = str(self.tenant_id) if hasattr(self, "tenant_id") else None
        cookie = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        return actor_of_session(cookie, tenant_id, addresses.of_scope(self.scope))

    async def open(self, actor: Actor) -> str:
        """The group to join. Raises Http404."""
        raise NotImplementedError

    async def greet(self) -> None:
        """What a page is told on connecting."""

    async def check(self) -> None:
        """What is told without an event, every RECHECK_SECONDS."""

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            if await self.actor() is None:
                await self.close(NOT_SIGNED_IN)
                return
            await self.check()


class TranscriptionConsumer(TenantConsumer):
    """/ws/transcriptions/<id>/: one transcription from the queue to its end."""

    status = ""
    sequence = -1

    async def open(self, actor: Actor) -> str:
        self.transcription_id = self.scope["url_route"]["kwargs"]["transcription_id"]
        await self.admit(actor)
        return progress.transcription_group(self.transcription_id)

    async def greet(self) -> None:
        await self.recording_changed({})

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        if isinstance(content, dict) and content.get("type") == "resync":
            await self.recording_changed({})

    async def recording_changed(self, _event: dict[str, Any]) -> None:
        actor = await self.actor()
        try:
            snapshot = await self.snapshot(actor) if actor else None
        except Http404:
            snapshot = None
        if snapshot is None:
            await self.close(NOT_FOUND)
            return
        self.status, self.sequence = snapshot["status"], snapshot["seq"]
        await self.send_json(snapshot)

    async def transcription_progress(self, event: dict[str, Any]) -> None:
        if event["seq"] <= self.sequence:
            return
        self.sequence = event["seq"]
        await self.send_json({**event, "type": "progress"})

    async def check(self) -> None:
        """The place in the queue moves without events, and a lost event must not leave the page behind."""
        status, sequence, place = await self.standing()
        if status != self.status or sequence > self.sequence:
            await self.recording_changed({})
        elif place is not None:
            await self.send_json({"type": "queue", "seq": sequence, **place})

    @database_sync_to_async
    def snapshot(self, actor: Actor) -> dict[str, Any]:
        with scope.bound(actor.tenant.id), override(self.scope.get("language") or "en"):
            row = library.transcription(actor, self.transcription_id)
            return snapshot_of(row)

    @database_sync_to_async
    def admit(self, actor: Actor) -> None:
        """The socket tells the text, now or as it comes: it stands in the audit log once. Raises Http404."""
        with scope.bound(actor.tenant.id):
            reading.read(actor, library.transcription(actor, self.transcription_id), "socket")

    @database_sync_to_async
    def standing(self) -> tuple[str, int, dict[str, Any] | None]:
        with scope.bound(self.tenant_id):
            row = Transcription.objects.filter(id=self.transcription_id).select_related("recording").first()
            return (row.status, row.sequence, place_of(row)) if row else ("gone", 0, None)


class RecordingsConsumer(TenantConsumer):
    """/ws/recordings/: which of a tenant's recordings changed."""

    async def open(self, actor: Actor) -> str:
        return progress.tenant_group(actor.tenant.id)

    async def recording_changed(self, event: dict[str, Any]) -> None:
        await self.send_json({"type": "changed", "recording": event["recording"]})

    async def recording_progress(self, event: dict[str, Any]) -> None:
        await self.send_json({"type": "progress", "recording": event["recording"], "percent": event["percent"]})


def snapshot_of(row: Transcription) -> dict[str, Any]:
    failed = row.status == Status.FAILED
    return {
        "type": "snapshot",
        "seq": row.sequence,
        "status": row.status,
        "percent": row.percent,
        "position": None,
        "eta_seconds": None,
        **(place_of(row) or {}),
        "language": row.detected_language or row.language or None,
        "segments": [progress.piece(segment) for segment in row.segments.all()],
        "error": {"code": row.error_code, "message": reason_for_people(row.error_code)} if failed else None,
    }


def place_of(row: Transcription) -> dict[str, Any] | None:
    if row.status != Status.QUEUED:
        return None
    place = eta.place(row)
    return {"position": place.position, "eta_seconds": place.eta_seconds}


routes = [
    path("ws/transcriptions/<uuid:transcription_id>/", TranscriptionConsumer.as_asgi()),
    path("ws/recordings/", RecordingsConsumer.as_asgi()),
]

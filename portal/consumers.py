"""WebSockets of pages and programs: a snapshot on connect, then hints. The database decides what is shown.

Pages come with their session, from our own origin. Programs come with a ticket (`?ticket=`), from anywhere: nobody
can guess it, and it opens one socket.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer
from channels.routing import URLRouter
from channels.sessions import CookieMiddleware
from django.conf import settings
from django.http import Http404
from django.urls import path, re_path
from django.utils.translation import override

from portal.http.outage import AWAY
from portal.http.sessions import actor_of_session
from portal.http.uploads import Message, Receive, Scope, Send
from portal.http.websocket_origin import OwnOriginOnly
from portal.tickets import service
from tenants import addresses, api_keys, scope
from tenants.access import Actor, OtherTenant, Page
from tenants.api_keys import Bearer
from transcription.errors import reason_for_people
from transcription.library import read_audit, recordings
from transcription.models import Status, Transcription
from transcription.queue import eta, progress

log = logging.getLogger(__name__)
RECHECK_SECONDS = 3.0
REDIS_PATIENCE_SECONDS = 1.0
NOT_SIGNED_IN, NOT_FOUND, ANOTHER_TENANT, TROUBLE = 4401, 4404, 4409, 1011
NO_BINARY, NO_JSON, TOO_LONG = 1003, 1007, 1009
LONGEST_MESSAGE = 4096
TICKET, PAGE = "ticket", "page"


class TenantConsumer(AsyncJsonWebsocketConsumer):
    """A signed-in member's socket, or a program's. Membership, key and secret are checked again while it is open."""

    group = ""
    tenant_id: UUID
    bearer: Bearer | None = None
    recheck: asyncio.Task[None] | None = None
    is_closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_or_stop(message: Message) -> None:
            if self.is_closed:
                raise StopConsumer
            self.is_closed = message["type"] == "websocket.close"
            try:
                await send(message)
            except OSError as gone:  # as ASGI has it for a closed connection
                raise StopConsumer from gone

        try:
            await super().__call__(scope, receive, send_or_stop)
        finally:  # `disconnect` is not called where a client went in the middle of a message
            if self.recheck is not None:
                self.recheck.cancel()

    async def connect(self) -> None:
        await self.accept()
        if TICKET in self.scope:
            self.bearer = await database_sync_to_async(service.redeem)(self.scope[TICKET])
        try:
            actor = await self.actor()
        except OtherTenant:
            await self.close(ANOTHER_TENANT, "other_tenant")
            return
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
        if self.group:
            with suppress(Exception):  # the channel layer forgets who is silent
                await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Hands on short JSON. Anything else closes the socket with a code that says why."""
        if text_data is None:
            await self.close(NO_BINARY)
        elif len(text_data) > LONGEST_MESSAGE:
            await self.close(TOO_LONG)
        else:
            try:
                content = json.loads(text_data)
            except (ValueError, RecursionError):
                await self.close(NO_JSON)
            else:
                await self.receive_json(content)

    async def _join(self) -> None:
        """Without the channel layer the socket serves on: `check` asks the database."""
        try:
            async with asyncio.timeout(REDIS_PATIENCE_SECONDS):
                await self.channel_layer.group_add(self.group, self.channel_name)
        except Exception as error:
            log.warning("A page watches without events (%s).", error or type(error).__name__)

    @database_sync_to_async
    def actor(self) -> Actor | None:
        """The member or the program as the database has it now, in the tenant whose page this is.

        Raises OtherTenant on connecting, of a page that was drawn for another one.
        """
        address = addresses.of_scope(self.scope)
        if TICKET in self.scope:
            found = api_keys.actor_of(self.bearer, address) if self.bearer else None
        else:
            tenant_id, page = (str(self.tenant_id), None) if hasattr(self, "tenant_id") else (None, self.scope[PAGE])
            cookie = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME)
            found = actor_of_session(cookie, tenant_id, address, page)
        return found if found is not None and found.may("recordings.view") else None

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
            try:
                if await self.actor() is None:
                    await self.close(NOT_SIGNED_IN)
                    return
                await self.check()
            except AWAY as error:
                log.warning("A socket could not be checked (%s); trying again.", str(error).strip())
            except StopConsumer:
                return
            except Exception:
                log.exception("A socket could not be checked")
                await self.close(TROUBLE)
                return


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
            row = recordings.transcription(actor, self.transcription_id)
            return snapshot_of(row)

    @database_sync_to_async
    def admit(self, actor: Actor) -> None:
        """The socket tells the text, now or as it comes: it stands in the audit log once. Raises Http404."""
        with scope.bound(actor.tenant.id):
            read_audit.read(actor, recordings.transcription(actor, self.transcription_id), "socket")

    @database_sync_to_async
    def standing(self) -> tuple[str, int, dict[str, Any] | None]:
        with scope.bound(self.tenant_id):
            row = Transcription.objects.filter(id=self.transcription_id).select_related("recording").first()
            return (row.status, row.sequence, place_of(row)) if row else ("gone", 0, None)


class RecordingsConsumer(TenantConsumer):
    """/ws/recordings/: which of a tenant's recordings changed."""

    async def open(self, actor: Actor) -> str:
        return progress.tenant_group(actor.tenant.id)

    async def greet(self) -> None:
        """Whoever lists the recordings after this misses no change."""
        await self.send_json({"type": "ready"})

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


class NoSuchConsumer(AsyncWebsocketConsumer):
    """Any other address."""

    async def connect(self) -> None:
        await self.close(NOT_FOUND)


routes = [
    path("ws/transcriptions/<uuid:transcription_id>/", TranscriptionConsumer.as_asgi()),
    path("ws/recordings/", RecordingsConsumer.as_asgi()),
    re_path("", NoSuchConsumer.as_asgi()),
]
programs = URLRouter(routes)
pages = OwnOriginOnly(CookieMiddleware(programs))


async def sockets(scope: Scope, receive: Receive, send: Send) -> None:
    """With a ticket in its address a socket is a program's, and its cookies say nothing."""
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    tickets = asked.get(TICKET)
    if tickets is None:
        await pages({**scope, PAGE: Page(asked.get("tenant", [""])[0])}, receive, send)
    else:
        await programs({**scope, TICKET: tickets[0]}, receive, send)

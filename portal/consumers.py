"""WebSockets of pages and programs: a snapshot on connect, then hints. The database decides what is shown.

Pages come with their session, from our own origin. Programs come with a ticket (`?ticket=`), from anywhere: nobody
can guess it, and it opens one socket. portal.http.authentication knows both.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import URLRouter
from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery
from django.http import Http404
from django.urls import path, re_path
from django.utils.translation import override

from portal.http import authentication
from portal.http.asgi import Application, Receive, Scope, Send
from portal.http.rechecks import rechecks
from portal.http.sockets import NOT_FOUND, NOT_SIGNED_IN, OTHER_TENANT, REDIS_TIMEOUT_SECONDS, CheckedConsumer
from portal.http.websocket_origin import OwnOriginOnly
from portal.ops import sockets as operations
from portal.realtime.consumer import RealtimeConsumer
from portal.seen_recordings import SeenRecordings
from tenants import scope
from tenants.access import Actor
from tenants.session_access import TenantClosed, TenantMismatch
from transcription.errors import reason_for_people
from transcription.folders.visibility import seen, with_recording
from transcription.library import read_audit, recordings
from transcription.models import LATEST_FIRST, MAIN, Status, Transcription
from transcription.options import engines
from transcription.queue import eta, progress
from transcription.strikes import redacted
from transcription.transcripts import checks

log = logging.getLogger(__name__)
NO_BINARY, NO_JSON, TOO_BIG = 1003, 1007, 1009
MAX_MESSAGE_LENGTH = 4096
TOO_MANY = 4429
MAX_PLACES, PLACES_SECONDS = 40, 10.0
"""How many places a page may tell in so many seconds."""


class TenantConsumer(CheckedConsumer):
    """A socket of a signed-in member or of a program."""

    tenant_id: UUID
    viewer: Actor
    """Who has the socket, as they were when they were last checked."""

    is_checked = True
    """Whether the last check of them could be made: without it no text is sent."""

    async def connect(self) -> None:
        await self.accept()
        try:
            actor = await self.connecting_actor()
        except TenantMismatch:
            await self.close(OTHER_TENANT, "other_tenant")
            return
        except TenantClosed:
            actor = None
        if actor is None:
            await self.close(NOT_SIGNED_IN)
            return
        self.tenant_id, self.viewer = actor.tenant.id, actor
        try:
            self.group = await self.open(actor)
        except Http404:
            await self.close(NOT_FOUND)
            return
        await self.join()
        await self.greet()
        self.keep_checking()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Passes short JSON on; closes the socket at anything else, with a code that says why."""
        if text_data is None:
            await self.close(NO_BINARY)
        elif len(text_data) > MAX_MESSAGE_LENGTH:
            await self.close(TOO_BIG)
        else:
            try:
                content = json.loads(text_data)
            except (ValueError, RecursionError):
                await self.close(NO_JSON)
            else:
                await self.receive_json(content)

    @database_sync_to_async
    def connecting_actor(self) -> Actor | None:
        """Returns who opens the socket; None for nobody who may. Raises TenantMismatch for a page of another tenant."""
        return _viewer(authentication.caller_of(self.scope).checked())

    @database_sync_to_async
    def actor(self) -> Actor | None:
        """Returns the same as the database has them now; None once they may not stay."""
        return _viewer(authentication.renewed(self.scope))

    async def open(self, actor: Actor) -> str:
        """Returns the group to join. Raises Http404."""
        raise NotImplementedError

    async def greet(self) -> None:
        """Sends what a page needs on connecting."""

    async def check(self) -> None:
        """Sends what is told without an event, every RECHECK_SECONDS."""

    async def recheck(self) -> None:
        actor = _viewer(await rechecks().renewed(self.scope))
        if actor is None:
            await self.close(NOT_SIGNED_IN)
            return
        self.viewer, self.is_checked = actor, True
        await self.check()

    def suspend(self) -> None:
        self.is_checked = False


class TranscriptionConsumer(TenantConsumer):
    """/ws/transcriptions/<id>/: one transcription from the queue to its end."""

    status = ""
    is_loading = False
    sequence = -1

    async def open(self, actor: Actor) -> str:
        self.transcription_id = self.scope["url_route"]["kwargs"]["transcription_id"]
        await self.record_reading(actor)
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
        self.status, self.is_loading, self.sequence = (snapshot[key] for key in ("status", "loading_model", "seq"))
        await self.send_json(snapshot)

    async def transcription_progress(self, event: dict[str, Any]) -> None:
        if event["seq"] <= self.sequence or not self.is_checked:
            return
        self.sequence = event["seq"]
        await self.send_json({**event, "type": "progress"})

    async def check(self) -> None:
        """Sends the place in the queue, which changes without events, and what a lost event would have told."""
        status, is_loading, sequence, place = await self.current_status()
        if (status, is_loading) != (self.status, self.is_loading) or sequence > self.sequence:
            await self.recording_changed({})
        elif place:
            await self.send_json({"type": "queue", "seq": sequence, **place})

    @database_sync_to_async
    def snapshot(self, actor: Actor) -> dict[str, Any]:
        with scope.bound(actor.tenant.id), override(self.scope.get("language") or "en"):
            row = recordings.transcription(actor, self.transcription_id, Q())
            return snapshot_of(row)

    @database_sync_to_async
    def record_reading(self, actor: Actor) -> None:
        """Records in the audit log, once, that this socket reads the text. Raises Http404."""
        with scope.bound(actor.tenant.id):
            read_audit.read(actor, recordings.transcription(actor, self.transcription_id, Q()), "socket")

    @database_sync_to_async
    def current_status(self) -> tuple[str, bool, int, dict[str, Any]]:
        with scope.bound(self.tenant_id):
            rows = Transcription.objects.filter(seen(self.viewer, "recording"), id=self.transcription_id)
            row = rows.select_related("recording").first()
            if row is None:
                return "gone", False, 0, {}
            return row.status, engines.is_loading_for(row), row.sequence, place_of(row)


class TranscriptConsumer(TenantConsumer):
    """/ws/transcripts/<id>/: a finished transcript's revisions and checks, who has its page open, and where.

    And whether it is its recording's latest: another one may have been made, or chosen, since the page was drawn.

    Pages say where they are again and again, and forget who is silent: nothing is stored, so that a killed process
    leaves nobody behind. Names are those of the sessions, and programs hear none. No text passes here.
    """

    revision = -1
    is_latest = True
    checked: dict[str, Any] | None = None
    name = ""
    may_edit = False
    last_places: deque[float]

    async def open(self, actor: Actor) -> str:
        self.transcription_id = self.scope["url_route"]["kwargs"]["transcription_id"]
        self.page_id = uuid4().hex[:12]  # names the page to others; the channel's own name is not shown
        self.user_id = actor.user.pk if actor.user else None
        self.name, self.may_edit = "" if actor.is_support else str(actor.user or ""), await self.may_edit_it(actor)
        self.last_places = deque(maxlen=MAX_PLACES)
        if await self.current_state() is None:
            raise Http404
        return progress.transcript_group(self.transcription_id)

    async def greet(self) -> None:
        await self.check()
        await self._tell({"type": "person.asks"})

    async def disconnect(self, code: int) -> None:
        await self._tell({"type": "person.gone", "page": getattr(self, "page_id", "")})
        await super().disconnect(code)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Passes on where a member's page is: `segment` and whether somebody types there. Floods close the socket."""
        now = time.monotonic()
        if len(self.last_places) == MAX_PLACES and now - self.last_places[0] < PLACES_SECONDS:
            await self.close(TOO_MANY)
            return
        self.last_places.append(now)
        match content:
            case {"type": "here", "segment": int() | None as segment, "typing": bool() as typing} if self.name:
                place = {"segment": segment, "typing": typing and self.may_edit}
                who = {"page": self.page_id, "user": self.user_id, "name": self.name}
                await self._tell({"type": "person.here", **who, **place})

    async def transcript_changed(self, event: dict[str, Any]) -> None:
        if event["revision"] > self.revision:
            self.revision = event["revision"]
            await self.send_json({"type": "revision", "revision": self.revision})

    async def checks_changed(self, _event: dict[str, Any]) -> None:
        if (news := await self.news_of_checks()) is not None:
            await self.send_json({"type": "checks", **news})

    async def comments_changed(self, _event: dict[str, Any]) -> None:
        await self.send_json({"type": "comments"})

    async def recording_renamed(self, _event: dict[str, Any]) -> None:
        if (name := await self.current_name()) is not None:
            await self.send_json({"type": "name", "name": name})

    async def person_here(self, event: dict[str, Any]) -> None:
        if self.name and event["page"] != self.page_id:
            await self.send_json({**event, "type": "here", "own": event["user"] == self.user_id})

    async def person_gone(self, event: dict[str, Any]) -> None:
        await self.send_json({"type": "gone", "page": event["page"]})

    async def person_asks(self, _event: dict[str, Any]) -> None:
        await self.send_json({"type": "ask"})

    async def check(self) -> None:
        """Sends the revision where its event was lost; closes the socket of a text that is gone."""
        self.may_edit = await self.may_edit_it(self.viewer)
        if (state := await self.current_state()) is None:
            await self.close(NOT_FOUND)
            return
        revision, is_latest = state
        if revision != self.revision:
            self.revision = revision
            await self.send_json({"type": "revision", "revision": revision})
        if is_latest != self.is_latest:
            self.is_latest = is_latest
            await self.send_json({"type": "latest", "latest": is_latest})
        if self.checked is None:
            await self.news_of_checks()  # what the page was drawn with
        else:
            await self.checks_changed({})

    async def _tell(self, event: dict[str, Any]) -> None:
        if self.group:
            with suppress(Exception):  # without Redis nobody sees who is here; changes are still seen, by `check`
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                    await self.channel_layer.group_send(self.group, event)

    @database_sync_to_async
    def may_edit_it(self, actor: Actor) -> bool:
        with scope.bound(self.tenant_id):
            return with_recording(actor, Q(transcriptions=self.transcription_id)).may("transcripts.edit")

    @database_sync_to_async
    def current_state(self) -> tuple[int, bool] | None:
        """Returns the revision, and whether no other text of the recording is its latest; None where it is gone."""
        with scope.bound(self.tenant_id):
            latest = Transcription.objects.filter(MAIN, recording=OuterRef("recording")).order_by(*LATEST_FIRST)
            is_latest = Q(id=Subquery(latest.values("id")[:1])) | ~MAIN
            return self._rows.values_list("revision", ExpressionWrapper(is_latest, BooleanField())).first()

    @database_sync_to_async
    def current_name(self) -> str | None:
        with scope.bound(self.tenant_id):
            return self._rows.values_list("recording__name", flat=True).first()

    @database_sync_to_async
    def news_of_checks(self) -> dict[str, Any] | None:
        """Returns how much was checked, where that is not what was told; to programs without names."""
        with scope.bound(self.tenant_id), override(self.scope.get("language") or "en"):
            row = self._rows.first()
            if row is None or row.checked == self.checked:
                return None
            self.checked = row.checked
            state = checks.checked(row)
            told = {"percent": state.percent, "words": state.words, "checked_words": state.count}
            return told | ({"sentence": state.sentence, "account": state.account} if self.name else {})

    @property
    def _rows(self) -> QuerySet[Transcription]:
        rows = Transcription.objects.filter(seen(self.viewer, "recording"), recording__deleted_at=None)
        return rows.filter(id=self.transcription_id, status=Status.COMPLETED)


class RecordingsConsumer(TenantConsumer):
    """/ws/recordings/: which of the recordings that somebody sees changed."""

    seen: SeenRecordings

    async def open(self, actor: Actor) -> str:
        self.seen = SeenRecordings(actor)
        return progress.tenant_group(actor.tenant.id)

    async def greet(self) -> None:
        """Says that whoever lists the recordings from now on misses no change."""
        await self.send_json({"type": "ready"})

    async def check(self) -> None:
        self.seen.check(self.viewer)

    async def recording_changed(self, event: dict[str, Any]) -> None:
        if await self.seen.has(event["recording"]):
            await self.send_json({"type": "changed", "recording": event["recording"]})

    async def recording_progress(self, event: dict[str, Any]) -> None:
        if await self.seen.has(event["recording"]):
            await self.send_json({"type": "progress", "recording": event["recording"], "percent": event["percent"]})


def snapshot_of(row: Transcription) -> dict[str, Any]:
    failed = row.status == Status.FAILED
    return {
        "type": "snapshot",
        "seq": row.sequence,
        "status": row.status,
        "percent": row.percent,
        "finding_speakers": row.finding_speakers,
        "loading_model": engines.is_loading_for(row),
        "position": None,
        "eta_seconds": None,
        **place_of(row),
        "language": row.detected_language or row.language or None,
        "segments": [progress.segment_data(segment) for segment in redacted(row)],
        "error": {"code": row.error_code, "message": reason_for_people(row.error_code)} if failed else None,
    }


def place_of(row: Transcription) -> dict[str, Any]:
    """Returns `position` and `eta_seconds` of a queued transcription; nothing of any other."""
    place = eta.place_in_queue(row)
    return asdict(place) if place else {}


class NoSuchConsumer(AsyncWebsocketConsumer):
    """Closes sockets of any other address."""

    async def connect(self) -> None:
        await self.close(NOT_FOUND)


routes = [
    *operations.routes,
    path("ws/transcriptions/<uuid:transcription_id>/", TranscriptionConsumer.as_asgi()),
    path("ws/transcripts/<uuid:transcription_id>/", TranscriptConsumer.as_asgi()),
    path("ws/recordings/", RecordingsConsumer.as_asgi()),
    path("v1/realtime", RealtimeConsumer.as_asgi()),
    path("v1/realtime/", RealtimeConsumer.as_asgi()),
    re_path("", NoSuchConsumer.as_asgi()),
]
from_anywhere: Application = URLRouter(routes)
from_own_pages = OwnOriginOnly(from_anywhere)


async def sockets(scope: Scope, receive: Receive, send: Send) -> None:
    """Opens a socket with a ticket or a key from anywhere, with a session only from our own pages."""
    is_of_program = authentication.ticket_of(scope) is not None or authentication.socket_key_of(scope) is not None
    application = from_anywhere if is_of_program else from_own_pages
    await application(scope, receive, send)


def _viewer(actor: Actor | None) -> Actor | None:
    return actor if actor is not None and actor.may("recordings.view") else None

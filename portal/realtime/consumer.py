"""OpenAI's realtime transcription sessions over WebSocket, for programs and for our own recorder page.

The session's state is here, in the web process: its turns, what of their text is firm, the voice detector. What an
engine hears travels by transcription.live.passes. One task makes the passes, one after the other, while messages are
taken; where passes don't keep pace, more sound goes into each, and no message is read until they have caught up.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _
from django.utils.translation import override
from pydantic import ValidationError

from portal.http import authentication, request_budget
from portal.http.asgi import Receive, Scope, Send
from portal.http.outage import AWAY
from portal.http.sockets import ClosingConsumer
from portal.realtime import events, live_metrics
from portal.realtime.events import Append, Clear, Commit, Event, Session, Update
from tenants.access import Actor
from tenants.announcements import ReadingOnly
from tenants.api_keys import KeyRefused
from tenants.quota import QuotaExceeded
from tenants.rate_limit import TooManyRequests
from tenants.session_access import TenantMismatch
from transcription import request_id
from transcription.engine.types import SAMPLE_RATE
from transcription.errors import InvalidOption
from transcription.live import admission
from transcription.live.admission import LiveUnavailable, Meter, TooManySessions
from transcription.live.audio import Decoder
from transcription.live.passes import PassFailed, PassQueue
from transcription.live.session import MOST_BEHIND_SECONDS, LiveSession, TurnChange
from transcription.live.turn import STEP_SECONDS, Hearing, Turn
from transcription.live.turns import TurnDetector
from transcription.options import engines, hotwords, tenant_defaults
from transcription.options.options import TranscriptionOptions, codes_of

log = logging.getLogger(__name__)
RECHECK_SECONDS = 3.0
LONGEST_SESSION_SECONDS = 3600
LONGEST_MESSAGE = 2 * 1024**2
"""Characters; what is longer doesn't come through a server that is started as ours are."""

MOST_ERRORS = 50
"""Messages that make no sense, after which the socket is closed."""

MOST_AHEAD_SECONDS = 60.0
FASTEST = 4.0
"""Sound is taken so many times as fast as it is spoken, after MOST_AHEAD_SECONDS: a file may be streamed."""

LAG_SECONDS = 3.0
"""Sound that no pass has heard yet, from which on the program is told."""

MOST_FAILURES = 3
RETRY_SECONDS = 1.0
REFUSED, EXPIRED, POLICY, INTERNAL_ERROR, NO_BINARY, TOO_BIG = 4401, 4408, 1008, 1011, 1003, 1009


class Refusal(Exception):
    """Why a session ends, as an event and the code that the socket is closed with."""

    def __init__(self, event: Event, code: int = POLICY) -> None:
        super().__init__(event["error"]["code"])
        self.event, self.code = event, code


class RealtimeConsumer(ClosingConsumer):
    """/v1/realtime?intent=transcription: audio in, text out."""

    tasks: tuple[asyncio.Task[None], ...] = ()
    checking: asyncio.Task[None] | None = None
    actor: Actor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.id, self.passes, self.began = f"sess_{secrets.token_hex(12)}", PassQueue(), time.monotonic()
        self.expires_at = int(time.time()) + LONGEST_SESSION_SECONDS
        self.session = Session(type="transcription")
        self.decoder = Decoder(self.session.audio.input.format.type)
        self.errors, self.last_item, self.was_behind = 0, "", False
        self.seconds = self.earlier_seconds = 0.0
        self.is_due, self.charging = asyncio.Event(), asyncio.Lock()
        self.has_caught_up = asyncio.Event()
        try:
            await super().__call__(scope, receive, send)
        finally:
            for task in self.tasks:
                task.cancel()
            await self.passes.close()
            if self.tasks:
                live_metrics.sessions.dec()
                with suppress(Refusal, *AWAY):
                    await self.charge_unfinished(self.live.turns)
            if self.checking is not None:  # its thread goes on, and would count the session again
                await asyncio.wait([self.checking])
            if self.actor is not None:
                await database_sync_to_async(admission.leave)(self.actor.tenant.id, self.id)

    async def connect(self) -> None:
        offered = self.scope.get("subprotocols", [])
        protocol = authentication.REALTIME_PROTOCOL if authentication.REALTIME_PROTOCOL in offered else None
        await self.accept(protocol)
        try:
            self.actor = await self.entering_actor()
            self.hearing = await self.hearing_of(self.session, self.actor)
        except Refusal as refusal:
            await self.end(refusal)
            return
        except InvalidOption as invalid:
            await self.end(Refusal(events.error(str(invalid), invalid.code)))
            return
        self.meter = Meter(self.actor)
        self.detector, self.live = _turns_of(self.session)
        live_metrics.sessions.inc()
        await self.send_event(events.session_event("session.created", self.id, self.session, self.expires_at))
        self.tasks = (
            asyncio.create_task(self.guarded(self.keep_checking)),
            asyncio.create_task(self.guarded(self.hear)),
        )

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answers what makes no sense with an error event, and closes the socket after many."""
        if self.actor is None or self.is_closed:
            return
        if text_data is None:
            await self.close(NO_BINARY)
            return
        if len(text_data) > LONGEST_MESSAGE:
            await self.close(TOO_BIG)
            return
        event_id = ""
        try:
            content = json.loads(text_data)
            event_id = str(content.get("event_id") or "")[:200] if isinstance(content, dict) else ""
            await self.handle(events.client_events.validate_python(content))
        except ValidationError as invalid:
            first = invalid.errors(include_url=False, include_input=False)[0]
            await self.complain(first["msg"], "invalid_event", ".".join(map(str, first["loc"])), event_id)
        except InvalidOption as invalid:
            await self.complain(
                str(invalid), invalid.code, f"session.audio.input.transcription.{invalid.param}", event_id
            )
        except binascii.Error:
            await self.complain(_("The audio is not base64."), "invalid_base64", "audio", event_id)
        except (ValueError, RecursionError) as error:
            await self.complain(str(error)[:200], "invalid_event", event_id=event_id)
        except Refusal as refusal:
            await self.end(refusal)

    async def handle(self, sent: Update | Append | Commit | Clear) -> None:
        """Raises ValueError, InvalidOption and Refusal."""
        assert self.actor is not None
        match sent:
            case Append():
                await self.append(base64.b64decode(sent.audio, validate=True))
            case Update():
                session = self.session.updated(sent.session)
                hearing = await self.hearing_of(session, self.actor)
                if session.audio.input.turn_detection != self.session.audio.input.turn_detection:
                    await self.tell(self.live.close())
                self.configure(session, hearing)
                await self.send_event(events.session_event("session.updated", self.id, session, self.expires_at))
            case Commit():
                if (change := self.live.commit()) is None:
                    await self.complain(
                        _("There is less than 100 ms of audio to commit."), "input_audio_buffer_commit_empty"
                    )
                    return
                if self.detector is not None:
                    self.detector.end_turn()
                await self.tell([change])
            case Clear():
                cleared = self.live.clear()
                if self.detector is not None:
                    self.detector.end_turn()
                await self.send_event(events.event("input_audio_buffer.cleared"))
                if cleared is not None:
                    await self.charge_unfinished([cleared])

    def configure(self, session: Session, hearing: Hearing) -> None:
        """Sets how what comes from now on is heard."""
        wanted, before, self.hearing = session.audio.input, self.session.audio.input, hearing
        self.session = session
        if wanted.format != before.format:
            self.decoder = Decoder(wanted.format.type)
        if wanted.turn_detection != before.turn_detection:
            self.earlier_seconds += self.live.seconds
            waiting, language = self.live.turns, self.live.language
            self.detector, self.live = _turns_of(session)
            self.live.turns.extend(waiting)
            self.live.language = language

    async def append(self, data: bytes) -> None:
        """Takes sound, once passes have caught up with what came before. Raises ValueError."""
        samples = self.decoder.decode(data)
        edges = await asyncio.to_thread(self.detector.feed, samples) if self.detector else []
        self.seconds += self.decoder.seconds(data)
        await self.tell(self.live.add(samples, edges))
        self.is_due.set()
        while self.live.seconds_behind > MOST_BEHIND_SECONDS and not self.is_closed:
            self.has_caught_up.clear()
            await self.has_caught_up.wait()
        early = (self.seconds - MOST_AHEAD_SECONDS) / FASTEST - (time.monotonic() - self.began)
        if early > 0:
            await asyncio.sleep(early)

    async def tell(self, changes: Iterable[TurnChange]) -> None:
        """Tells of turns that began or ended."""
        for change in changes:
            milliseconds, turn = round((self.earlier_seconds + change.at / SAMPLE_RATE) * 1000), change.turn
            if change.begins:
                self.is_due.set()
                if change.is_heard:
                    started = {"audio_start_ms": milliseconds, "item_id": turn.id}
                    await self.send_event(events.event("input_audio_buffer.speech_started", **started))
                continue
            if change.is_heard:
                stopped = {"audio_end_ms": milliseconds, "item_id": turn.id}
                await self.send_event(events.event("input_audio_buffer.speech_stopped", **stopped))
            for one in events.item_events(turn, self.last_item or None):
                await self.send_event(one)
            self.last_item = turn.id
            self.is_due.set()

    async def hear(self) -> None:
        """Makes passes, one after the other, as long as the session lasts. Raises Refusal."""
        while True:
            if (turn := self.live.due) is None:
                self.is_due.clear()
                await self.is_due.wait()
                continue
            try:
                result = await self.passes.run(turn.next_pass(self.hearing))
            except PassFailed as failed:
                live_metrics.passes.labels("failed").inc()
                await self.note_failure(turn, failed)
                continue
            live_metrics.passes.labels("heard").inc()
            if turn not in self.live.turns:  # cleared meanwhile
                continue
            progress, is_done = turn.take(result)
            if progress.added:
                await self.send_event(events.transcription_event("delta", turn, delta=progress.added))
            if self.session.wants_partials and not is_done:
                await self.send_event(events.transcription_event("partial", turn, partial=progress.partial))
            if is_done:
                await self.complete(turn)
            self.has_caught_up.set()
            await self.tell_lag()

    async def complete(self, turn: Turn) -> None:
        """Charges a turn, once, and sends its whole text. Raises Refusal where no second is left to charge."""
        self.live.finish(turn)
        try:
            await self.charge(turn.seconds)
        except QuotaExceeded as exceeded:
            refusal = out_of_quota(exceeded)
            await self.send_event(events.transcription_event("failed", turn, error=refusal.event["error"]))
            raise refusal from exceeded
        usage = {"type": "duration", "seconds": round(turn.seconds, 3)}
        transcript = turn.agreement.firm.strip()
        await self.send_event(events.transcription_event("completed", turn, transcript=transcript, usage=usage))

    async def charge_unfinished(self, turns: Iterable[Turn]) -> None:
        """Charges what was heard of turns that come to no end. Raises Refusal where too little is left."""
        try:
            await self.charge(sum(turn.heard_seconds for turn in turns))
        except QuotaExceeded as exceeded:
            raise out_of_quota(exceeded) from exceeded

    async def note_failure(self, turn: Turn, failed: PassFailed) -> None:
        """Tries again after a while; gives a whole turn up after MOST_FAILURES passes."""
        turn.failures += 1
        log.warning("A live pass failed: %s", failed)
        if turn.is_whole and turn.failures >= MOST_FAILURES:
            self.live.finish(turn)
            message = _("The engine could not hear this. Nothing is charged for it; send the audio again.")
            error = events.error(message, "engine_unavailable", "server_error")["error"]
            await self.send_event(events.transcription_event("failed", turn, error=error))
            self.has_caught_up.set()
        await self.tell_lag()
        await asyncio.sleep(RETRY_SECONDS)

    async def tell_lag(self) -> None:
        """Says how far the text is behind the sound, while it is, and once when it isn't any more."""
        behind = self.live.seconds_behind
        live_metrics.behind.observe(behind)
        if behind >= LAG_SECONDS or self.was_behind:
            self.was_behind = behind >= LAG_SECONDS
            skipped = int(behind / STEP_SECONDS) if self.was_behind else 0
            lag = {"lag_seconds": round(behind, 1) if self.was_behind else 0.0, "passes_skipped": skipped}
            await self.send_event(events.event("input_audio_buffer.lag", **lag))

    async def keep_checking(self) -> None:
        """Ends a session that lasts too long, or whose key was revoked or has nothing left. Raises Refusal."""
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            if time.monotonic() - self.began > LONGEST_SESSION_SECONDS:
                message = _("A live session lasts %(n)d minutes at most. Open another one.")
                text = message % {"n": LONGEST_SESSION_SECONDS // 60}
                raise Refusal(events.error(text, "session_expired"), EXPIRED)
            self.checking = asyncio.create_task(self.check())
            with suppress(*AWAY):
                await asyncio.shield(self.checking)

    async def guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Runs a task of the session; ends the session where it raises."""
        try:
            await work()
        except Refusal as refusal:
            with suppress(StopConsumer):
                await self.end(refusal)
        except StopConsumer:
            return
        except Exception:
            log.exception("A live session failed")
            with suppress(StopConsumer):
                await self.close(INTERNAL_ERROR)
        finally:
            self.has_caught_up.set()

    async def complain(self, message: str, code: str, param: str = "", event_id: str = "") -> None:
        self.errors += 1
        await self.send_event(events.error(message[:300], code, param=param[:200], event_id=event_id))
        if self.errors >= MOST_ERRORS:
            await self.close(POLICY)

    async def end(self, refusal: Refusal) -> None:
        live_metrics.count_refusal(refusal.event["error"]["code"])
        await self.send_event(refusal.event)
        await self.close(refusal.code)

    async def send_event(self, event: Event) -> None:
        await self.send(text_data=json.dumps(event))

    @database_sync_to_async
    def entering_actor(self) -> Actor:
        """Returns who opens the socket, counted as a request and as a session. Raises Refusal."""
        with override(self.scope.get("language") or "en"):
            try:
                actor = authentication.caller_of(self.scope).checked()
                if actor is None:
                    message = _("Send a live key as `Authorization: Bearer KEY`.")
                    raise Refusal(events.error(message, "invalid_api_key"), REFUSED)
                actor.require("recordings.create")
                request_budget.spend(self.scope, actor)
                admission.enter(actor.tenant, self.id)
            except ReadingOnly as only:
                raise Refusal(events.error(str(only), only.code, "server_error"), INTERNAL_ERROR) from only
            except (KeyRefused, TenantMismatch) as refused:
                raise Refusal(events.error(str(refused), "invalid_api_key"), REFUSED) from refused
            except PermissionDenied as denied:
                raise Refusal(events.error(str(denied), "insufficient_permissions"), REFUSED) from denied
            except TooManyRequests as many:
                message = _("Too many requests. Try again in %(n)d s.") % {"n": many.whole_seconds}
                raise Refusal(events.error(message, "rate_limit_exceeded", "requests")) from many
            except TooManySessions as many:
                message = _("Your organisation may have %(n)d live sessions at once. End one, then try again.")
                raise Refusal(events.error(message % {"n": many.limit}, "rate_limit_exceeded", "requests")) from many
            except QuotaExceeded as exceeded:
                raise out_of_quota(exceeded) from exceeded
            except LiveUnavailable as away:
                message = _("There is no live text at the moment. Send the recording as a file.")
                raise Refusal(events.error(message, "unavailable", "server_error"), INTERNAL_ERROR) from away
        return actor

    @database_sync_to_async
    def check(self) -> None:
        """Raises Refusal where the session may not go on."""
        actor = authentication.renewed(self.scope)
        if actor is None or not actor.may("recordings.create"):
            raise Refusal(events.error(_("The key was revoked, or has expired."), "invalid_api_key"), REFUSED)
        try:
            admission.enter(actor.tenant, self.id)
        except QuotaExceeded as exceeded:
            raise out_of_quota(exceeded) from exceeded
        except (TooManySessions, LiveUnavailable):
            return  # one that runs goes on

    @database_sync_to_async
    def hearing_of(self, session: Session, actor: Actor) -> Hearing:
        """Returns how a session is heard, the tenant's defaults included. Raises InvalidOption."""
        wanted = session.audio.input.transcription or events.Transcription()
        with override(self.scope.get("language") or "en"):
            sent = {"model": wanted.model, "language": wanted.language, "prompt": wanted.prompt}
            options = TranscriptionOptions.from_fields(sent | {"hotwords": hotwords.joined("\n".join(wanted.keywords))})
            options = tenant_defaults.apply(options, actor.tenant, 0.0)
            if not engines.may_serve(options.model):
                message = _("No engine has the model “%(name)s” at the moment. Choose another one.")
                raise InvalidOption("model", message % {"name": options.model}, "model_unavailable")
        languages = tuple(codes_of(options.languages))
        return Hearing(
            options.model, options.language, languages, options.prompt, options.hotwords, request_id.current()
        )

    async def charge(self, seconds: float) -> None:
        """Charges sound to a program. What our own page records is charged when it arrives as a recording."""
        assert self.actor is not None
        if self.actor.key is not None and seconds:
            async with self.charging:
                await database_sync_to_async(self.meter.charge)(seconds)


def _turns_of(session: Session) -> tuple[TurnDetector | None, LiveSession]:
    """Returns what finds a session's turns, if anything is to, and what holds them."""
    wanted = session.audio.input.turn_detection
    detection = wanted.detection if wanted else None
    return TurnDetector(detection) if detection else None, LiveSession(detection)


def out_of_quota(exceeded: QuotaExceeded) -> Refusal:
    message = _("Your organisation has used its audio of this month.")
    return Refusal(events.error(message, "insufficient_quota", "insufficient_quota"))

"""OpenAI's audio endpoints: a program changes its base URL and its key, nothing else.

The views are asynchronous: a waiting request holds no thread and no database connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import wraps
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from portal.api import call_headers, waiting
from portal.api.openai import errors, parameters, responses
from portal.api.openai.errors import ApiError
from portal.api.openai.parameters import Parameters
from portal.api.openai.responses import StreamedTranscript
from portal.api.openai.wait import Wait
from portal.api.status_broker import StatusUpdate, broker
from portal.http import authentication, request_budget
from portal.http.asgi import scope_of
from portal.http.disconnects import connection_of
from portal.http.outage import AWAY
from portal.http.receiving import UploadRefused
from portal.http.thread_pools import CLIP_BYTES, CLIPS, UPLOADS, in_thread
from portal.http.uploads import Upload, received
from tenants import scope
from tenants.access import Actor
from tenants.announcements import ReadingOnly
from tenants.api_keys import KeyRefused
from tenants.rate_limit import TooManyRequests
from transcription.errors import REASONS_AT_FAULT, InvalidOption, Refused, reason_for_people
from transcription.folders import folders
from transcription.intake import accept
from transcription.intake.known_voices import known_voices
from transcription.intake.request import CallContext
from transcription.library import read_audit
from transcription.models import Status, Task, Transcription
from transcription.options import offered_models

log = logging.getLogger(__name__)
View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]
KEEP_ALIVE = b": waiting\n\n"
KEEP_ALIVE_SECONDS = 5.0
MODELS_CREATED = 1_663_718_400  # Whisper's release, 21 September 2022


def endpoint(*methods: str) -> Callable[[View], View]:
    """Makes a view that a key opens, with OpenAI's error bodies for everything that can go wrong."""

    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        async def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                if request.method not in methods and not (request.method == "HEAD" and "GET" in methods):
                    allowed = ", ".join(methods)
                    raise ApiError(405, _("Use %(method)s here.") % {"method": allowed}, headers={"Allow": allowed})
                actor = await _caller(request)
                if actor is None:
                    raise errors.invalid_key()
                return await view(request, actor, *args, **kwargs)
            except ApiError as error:
                return error.response()
            except TooManyRequests as refused:
                return errors.too_many_requests(refused).response()
            except ReadingOnly as only:
                return errors.of_reading_only(only).response()
            except KeyRefused as refused_key:
                return errors.of_refused_key(refused_key).response()
            except PermissionDenied as denied:
                return ApiError(403, str(denied), code="insufficient_permissions").response()
            except AWAY:
                log.exception("The database is away on %s", request.path)
                return errors.unavailable().response()
            except Exception:
                log.exception("The API failed on %s", request.path)
                return _server_error().response()

        return answered

    return decorate


@endpoint("POST")
async def transcriptions(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    return await _create(request, actor, Task.TRANSCRIBE)


@endpoint("POST")
async def translations(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    return await _create(request, actor, Task.TRANSLATE)


@endpoint("GET")
async def models(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    names = ("whisper-1", *offered_models.offered_models())
    return JsonResponse({"object": "list", "data": [_model(name) for name in names]})


@endpoint("GET", "DELETE")
async def model(request: HttpRequest, actor: Actor, name: str) -> HttpResponseBase:
    if offered_models.resolve_model(name) is None:
        message = _("The model “%(name)s” does not exist here.") % {"name": name[:80]}
        raise ApiError(404, message, param="model", code="model_not_found")
    if request.method == "DELETE":
        message = _("Models are the operator's: they are not deleted through the API.")
        raise ApiError(403, message, param="model", code="model_not_deletable")
    return JsonResponse(_model(name))


async def _caller(request: HttpRequest) -> Actor | None:
    """Returns whose key it is, and counts the request. Raises KeyRefused and TooManyRequests."""
    is_counted = authentication.is_known(scope_of(request)) and request_budget.outcome_of(request) is not None
    return _counted_caller(request) if is_counted else await database_sync_to_async(_counted_caller)(request)


def _counted_caller(request: HttpRequest) -> Actor | None:
    actor = authentication.caller_of_request(request).checked()
    if actor is not None:
        request_budget.spend(scope_of(request), actor)
    return actor


async def _create(request: HttpRequest, actor: Actor, task: str) -> HttpResponseBase:
    actor.require("recordings.create")
    try:
        upload = received(request)
    except UploadRefused as refused:
        raise errors.of_upload(refused) from refused
    wanted = parameters.parse(upload, task)
    call = _call(request)
    wait = Wait(connection_of(request), _accept(actor, upload, wanted, call), upload.seconds)
    row = await wait.begin()
    headers = call_headers.headers_of(call, row) | wanted.headers
    if wanted.stream:
        await _note_reading(actor, row)
        headers |= {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(_stream(row, wanted, wait), content_type="text/event-stream", headers=headers)
    done = await _finished(row, wait)
    await _note_reading(actor, done)
    answer = responses.response_of(done, wanted)
    for name, value in (headers | responses.headers_of(done)).items():
        answer[name] = value
    return answer


def _call(request: HttpRequest) -> CallContext:
    """Raises ApiError."""
    try:
        return call_headers.call_of(request, waits=True)
    except InvalidOption as invalid:
        raise errors.of_option(invalid) from invalid


async def _accept(actor: Actor, upload: Upload, wanted: Parameters, call: CallContext) -> Transcription:
    """Raises ApiError and PermissionDenied."""
    try:
        threads = CLIPS if upload.size <= CLIP_BYTES else UPLOADS
        return await in_thread(_accept_bound, threads)(actor, upload, wanted, call)
    except Refused as refused:
        raise errors.of_refusal(refused) from refused
    except InvalidOption as invalid:
        raise errors.of_option(invalid) from invalid


def _accept_bound(actor: Actor, upload: Upload, wanted: Parameters, call: CallContext) -> Transcription:
    with scope.bound(actor.tenant.id):
        options = wanted.options
        if wanted.known_names:
            options = replace(options, known_speakers=known_voices(actor, wanted.known_names, upload.spooled))
        folder = folders.chosen(actor, wanted.folder)
        return accept.accept(actor, upload, options, "api", call, folder)


async def _note_reading(actor: Actor, row: Transcription) -> None:
    await in_thread(_noted)(actor, row)


def _noted(actor: Actor, row: Transcription) -> None:
    with scope.bound(actor.tenant.id):
        read_audit.read(actor, row, "answer")


async def _finished(row: Transcription, wait: Wait) -> Transcription:
    """Waits for a transcription's end and returns it completed. Raises ApiError."""
    over = await waiting.finished(row, settings.SYNC_WAIT_SECONDS)
    if over is None:
        await wait.keep()
        message = _("This takes longer than a request may wait. It goes on: GET /api/v1/recordings/%(id)s.")
        raise ApiError(
            504, message % {"id": row.recording_id}, "server_error", code="still_running", headers=errors.NO_RETRY
        )
    wait.end()
    if over.status != Status.COMPLETED or over.text_deleted_at is not None:
        raise _failure(over)
    return over


def _server_error() -> ApiError:
    message = _("The server had an error. Please try again, or tell us the x-request-id.")
    return ApiError(500, message, "server_error", code="server_error")


def _failure(row: Transcription) -> ApiError:
    if row.text_deleted_at is not None:
        return ApiError(410, _("The text was deleted meanwhile, as your organisation decided."), code="text_deleted")
    if row.status == Status.CANCELLED or not row.is_over:
        return ApiError(409, _("The transcription was cancelled."), code="cancelled", headers=errors.NO_RETRY)
    at_fault = row.error_code in REASONS_AT_FAULT
    status, kind = (422, "invalid_request_error") if at_fault else (500, "server_error")
    return ApiError(status, reason_for_people(row.error_code), kind, "file", row.error_code, errors.NO_RETRY)


async def _stream(row: Transcription, wanted: Parameters, wait: Wait) -> AsyncIterator[bytes]:
    """Yields text as its segments are saved, then the whole; a comment keeps the line alive in between."""
    try:
        async with aclosing(_events(row, wanted, wait)) as events:
            async for event in events:
                yield event
    except AWAY as error:
        log.error("The database went away during the stream of transcription %s: %s", row.id, str(error).strip())
        yield responses.failed(errors.unavailable().body)
    except Exception:
        log.exception("The stream of transcription %s broke", row.id)
        yield responses.failed(_server_error().body)


async def _events(row: Transcription, wanted: Parameters, wait: Wait) -> AsyncGenerator[bytes]:
    transcript = StreamedTranscript(wanted, row)
    yield KEEP_ALIVE
    async with aclosing(_updates_of(row)) as updates:
        async for update in updates:
            if update is None:
                yield KEEP_ALIVE
            elif not update.is_over:
                for event in transcript.deltas(await waiting.segments_from(row, transcript.segments)):
                    yield event
    over = await waiting.read(row) or row
    wait.end()
    if over.status != Status.COMPLETED or over.text_deleted_at is not None:
        yield responses.failed(_failure(over).body)
        return
    for event in transcript.rest(over):
        yield event
    yield transcript.done(over)


async def _updates_of(row: Transcription) -> AsyncGenerator[StatusUpdate | None]:
    """Yields each status of a transcription until its end; None after KEEP_ALIVE_SECONDS without a new one."""
    if row.is_over:
        return
    async with broker().subscribe(row.id) as subscription:
        while subscription.latest is None or not subscription.latest.is_over:
            update = None
            with suppress(TimeoutError):
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    update = await subscription.next()
            yield update


def _model(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": MODELS_CREATED,
        "owned_by": "operator" if offered_models.is_own(name) else "openai",
    }

"""The threads of a web process: a fixed number, however many requests wait.

Left alone, asgiref gives each request a thread of its own, from its first synchronous line to its end: 500 requests
that wait for their text would hold 500 threads. Here every synchronous call borrows one of a few threads for as long
as it runs. asgiref asks for one thread a request because of what is bound to a thread; in this project that is the
database connection alone, and no call leaves one open behind it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Coroutine, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections

from portal.http.sessions import session_key_of
from transcription.concurrency import CallerQueue

if TYPE_CHECKING:
    from portal.http.uploads import Application, Receive, Scope, Send

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

REQUEST_THREADS = 12
UPLOAD_THREADS = 6
CLIP_THREADS = 6
HEALTH_THREADS = 1
"""Together as many as settings.DATABASES lets a process have connections."""
KEEPING = re.compile(r"(POST|PATCH) /(api/v1/recordings|recordings/|api/v1/uploads(/[0-9a-f-]+)?)")
"""Synchronous views that probe and store a recording, which may take minutes."""
ASKING_THE_BUCKET = re.compile(
    r"[A-Z]+ /api/v1/uploads/multipart(/[0-9a-f-]+(/complete)?)?|DELETE /api/v1/recordings/[0-9a-f-]+"
)
"""Views that ask the object storage, where media lies in one. A part's URL is signed here: it asks nobody."""


caller: ContextVar[Hashable] = ContextVar("caller", default=None)
"""Who asks in this context: a tenant where that is known, else a credential or an address; None for ourselves."""


class Threads(ThreadPoolExecutor):
    """A few threads that many requests share. Callers take turns, and one of them gets two thirds at most."""

    def __init__(self, name: str, count: int) -> None:
        super().__init__(count, thread_name_prefix=name)
        self._queue: CallerQueue[tuple[Future[Any], Callable[[], Any]]] = CallerQueue(count, count - count // 3)
        self.share = self._queue.share
        self._lock = threading.Lock()

    def submit(
        self, work: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        future: Future[Result] = Future()
        who = caller.get()
        with self._lock:
            # What is our own has no share: each call is a caller.
            self._queue.add(future if who is None else who, (future, partial(_and_let_go, work, *args, **kwargs)))
            self._admit()
        return future

    def _admit(self) -> None:
        for who, (future, work) in self._queue.admit():
            super().submit(self._run, who, future, work)

    def _run(self, who: Hashable, future: Future[Any], work: Callable[[], Any]) -> None:
        try:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = work()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
        finally:
            with self._lock:
                self._queue.release(who)
                self._admit()


def _and_let_go(work: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
    try:
        return work(*args, **kwargs)
    finally:
        close_old_connections()


REQUESTS = Threads("request", REQUEST_THREADS)
UPLOADS = Threads("upload", UPLOAD_THREADS)
"""Of their own, so that neither storing large files nor a slow bucket keeps pages waiting."""
CLIPS = Threads("clip", CLIP_THREADS)
"""For files of CLIP_BYTES at most that somebody waits for: they don't wait behind large ones."""
CLIP_BYTES = 25 * 1024 * 1024
HEALTH = Threads("health", HEALTH_THREADS)


class SharedThreads:
    """ASGI middleware: whatever runs inside shares the process's threads."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        before = caller.set(_caller_of(scope))
        try:
            async with ThreadSensitiveContext(executor=UPLOADS if _may_take_long(scope) else REQUESTS):
                await self.application(scope, receive, send)
        finally:
            caller.reset(before)


def shared(
    work: Callable[Parameters, Result], threads: Threads = REQUESTS
) -> Callable[Parameters, Coroutine[Any, Any, Result]]:
    """`work` as a coroutine function that borrows a thread, inside a request or not."""
    return sync_to_async(work, thread_sensitive=False, executor=threads)


def _caller_of(scope: Scope) -> Hashable:
    """By what a request says of itself, before anybody has looked whether it is true."""
    headers = dict(scope.get("headers", ()))
    session = session_key_of(headers.get(b"cookie", b"").decode("latin-1"))
    return headers.get(b"authorization") or session or (scope.get("client") or ("",))[0]


def _may_take_long(scope: Scope) -> bool:
    if scope["type"] != "http":
        return False
    asked = f"{scope['method']} {scope['path']}"
    return bool(KEEPING.fullmatch(asked) or ASKING_THE_BUCKET.fullmatch(asked))

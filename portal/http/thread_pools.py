"""The threads of a web process: a fixed number, however many requests wait.

By default asgiref gives each request a thread of its own, from its first synchronous line to its end: 500 requests
that wait for their text would hold 500 threads. Here every synchronous call borrows one of a few threads for as long
as it runs. asgiref asks for one thread a request because of what is bound to a thread; in this project that is the
database connection alone, and no call leaves one open behind it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections

from portal.http.asgi import Application, Receive, Scope, Send
from portal.http.authentication import claimed_identity
from portal.http.routes import is_slow, route_of
from transcription.concurrency import CallerQueue

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

REQUEST_THREADS = 12
UPLOAD_THREADS = 6
CLIP_THREADS = 6
HEALTH_THREADS = 1
PROVIDER_THREADS = 3
"""Together as many as settings.DATABASES lets a process have connections."""


thread_user: ContextVar[Hashable] = ContextVar("thread_user", default=None)
"""For whom this context borrows threads: a tenant where that is known, else a credential or an address; None for the
portal itself."""


class ThreadPool(ThreadPoolExecutor):
    """A few threads that many requests share. Their users take turns, and one of them gets two thirds at most."""

    def __init__(self, name: str, count: int) -> None:
        super().__init__(count, thread_name_prefix=name)
        self._queue: CallerQueue[tuple[Future[Any], Callable[[], Any]]] = CallerQueue(count, count - count // 3)
        self.share = self._queue.share
        self._lock = threading.Lock()

    def submit(
        self, work: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        future: Future[Result] = Future()
        who = thread_user.get()
        with self._lock:
            # The portal's own calls have no common share: each is a user of its own.
            self._queue.add(future if who is None else who, (future, partial(_closing, work, *args, **kwargs)))
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


def _closing(work: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
    try:
        return work(*args, **kwargs)
    finally:
        close_old_connections()


REQUESTS = ThreadPool("request", REQUEST_THREADS)
UPLOADS = ThreadPool("upload", UPLOAD_THREADS)
"""Of their own, so that neither storing large files nor a slow bucket keeps pages waiting."""
CLIPS = ThreadPool("clip", CLIP_THREADS)
"""For files of CLIP_BYTES at most that somebody waits for: they don't wait behind large ones."""
CLIP_BYTES = 25 * 1024 * 1024
PROVIDERS = ThreadPool("provider", PROVIDER_THREADS)
"""For what asks the providers of tenants, one of which gets two of them: nothing else waits for those."""
HEALTH = ThreadPool("health", HEALTH_THREADS)


class ThreadPoolMiddleware:
    """ASGI middleware: what runs inside borrows threads of the pool that its route says, in its sender's name."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pool = _pool_of(scope) if scope["type"] == "http" else REQUESTS
        token = thread_user.set(claimed_identity(scope))
        try:
            async with ThreadSensitiveContext(executor=pool):
                await self.application(scope, receive, send)
        finally:
            thread_user.reset(token)


def _pool_of(scope: Scope) -> ThreadPool:
    return PROVIDERS if route_of(scope).asks_provider else UPLOADS if is_slow(scope) else REQUESTS


def in_thread(
    work: Callable[Parameters, Result], pool: ThreadPool = REQUESTS
) -> Callable[Parameters, Coroutine[Any, Any, Result]]:
    """Returns `work` as a coroutine function that borrows a thread, inside a request or not."""
    return sync_to_async(work, thread_sensitive=False, executor=pool)

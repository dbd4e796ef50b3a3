"""Asks who has the open sockets of this process, for many at once: one by one thousands would fill a core."""

from __future__ import annotations

import asyncio

from asgiref.sync import ThreadSensitiveContext
from channels.db import database_sync_to_async

from portal.http import authentication
from portal.http.asgi import Scope
from portal.http.thread_pools import REQUESTS, thread_user
from tenants.access import Actor

GATHER_SECONDS = 0.1
"""How long questions are gathered; they come every few seconds from each socket."""

MOST = 500

_by_loop: dict[asyncio.AbstractEventLoop, Rechecks] = {}


def rechecks() -> Rechecks:
    """Returns those of this process, which has one event loop."""
    return _by_loop.setdefault(asyncio.get_running_loop(), Rechecks())


class Rechecks:
    """Sockets that ask, and a task that answers them as long as there are any."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Scope, asyncio.Future[Actor | None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def renewed(self, scope: Scope) -> Actor | None:
        """Returns, or raises, what `authentication.renewed` does."""
        answer: asyncio.Future[Actor | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((scope, answer))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._answer())
        return await answer

    async def _answer(self) -> None:
        thread_user.set(None)
        async with ThreadSensitiveContext(executor=REQUESTS):
            while self._waiting:
                await asyncio.sleep(GATHER_SECONDS)
                asked, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                try:
                    found = await database_sync_to_async(authentication.renewed_all)([scope for scope, _ in asked])
                except Exception as error:
                    found = [error] * len(asked)
                for (_scope, answer), actor in zip(asked, found, strict=True):
                    _give(answer, actor)


def _give(answer: asyncio.Future[Actor | None], found: Actor | Exception | None) -> None:
    if answer.done():  # the socket was closed meanwhile
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)

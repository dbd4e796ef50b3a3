"""Asks who has the open sockets of this process, for many at once: one by one thousands would fill a core."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import islice

from asgiref.sync import ThreadSensitiveContext
from channels.db import database_sync_to_async

from portal.http import authentication
from portal.http.asgi import Scope
from portal.http.outage import AWAY
from portal.http.thread_pools import REQUESTS, thread_user
from tenants.access import Actor

GATHER_SECONDS = 0.1
"""How long questions are gathered; they come every few seconds from each socket."""

MOST = 500

MOST_ALONE = 50
"""How many keys, visits and sessions that ended are looked up before their answers are given."""

_by_loop: dict[asyncio.AbstractEventLoop, Rechecks] = {}


def rechecks() -> Rechecks:
    """Returns those of this process, which has one event loop."""
    return _by_loop.setdefault(asyncio.get_running_loop(), Rechecks())


@dataclass
class Question:
    """Who has the sockets of one key or session: one of their scopes, and who waits for the answer."""

    scope: Scope
    waiting: list[asyncio.Future[Actor | None]] = field(default_factory=list)

    def answer(self, found: Actor | Exception | None) -> None:
        for one in self.waiting:
            if one.done():  # the socket was closed meanwhile
                continue
            if isinstance(found, Exception):
                one.set_exception(found)
            else:
                one.set_result(found)


Questions = dict[Hashable, Question]


class Rechecks:
    """Sockets that ask, and two tasks that answer as long as there are any.

    The first one answers those of most sessions at once. It hands the others to the second, which it doesn't wait for.
    """

    def __init__(self) -> None:
        self._asked: Questions = {}
        self._alone: Questions = {}
        self._task: asyncio.Task[None] | None = None
        self._task_alone: asyncio.Task[None] | None = None

    async def renewed(self, scope: Scope) -> Actor | None:
        """Returns, or raises, what `authentication.renewed` does."""
        answer: asyncio.Future[Actor | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(authentication.recheck_key(scope), Question(scope)).waiting.append(answer)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._answer())
        return await answer

    async def _answer(self) -> None:
        thread_user.set(None)
        async with ThreadSensitiveContext(executor=REQUESTS):
            while self._asked:
                await asyncio.sleep(GATHER_SECONDS)
                asked = _taken(self._asked, MOST)
                try:
                    found = await database_sync_to_async(authentication.renewed_in_bulk)(_scopes(asked))
                except Exception as error:
                    _fail(asked, self._asked, error)
                    continue
                for (key, question), actor in zip(asked.items(), found, strict=True):
                    if actor is not None:
                        question.answer(actor)
                    else:
                        self._ask_alone(key, question)

    def _ask_alone(self, key: Hashable, question: Question) -> None:
        self._alone.setdefault(key, Question(question.scope)).waiting.extend(question.waiting)
        if self._task_alone is None or self._task_alone.done():
            self._task_alone = asyncio.create_task(self._answer_alone())

    async def _answer_alone(self) -> None:
        async with ThreadSensitiveContext(executor=REQUESTS):
            while self._alone:
                asked = _taken(self._alone, MOST_ALONE)
                try:
                    found = await database_sync_to_async(authentication.renewed_one_by_one)(_scopes(asked))
                except Exception as error:
                    _fail(asked, self._alone, error)
                    continue
                for question, actor in zip(asked.values(), found, strict=True):
                    question.answer(actor)


def _taken(questions: Questions, most: int) -> Questions:
    return {key: questions.pop(key) for key in list(islice(questions, most))}


def _scopes(questions: Questions) -> list[Scope]:
    return [question.scope for question in questions.values()]


def _fail(asked: Questions, others: Questions, error: Exception) -> None:
    """Gives the error to whom it met; if the database is away, to all who wait: they would find it away in turn."""
    if isinstance(error, AWAY):
        asked = asked | _taken(others, len(others))
    for question in asked.values():
        question.answer(error)

"""Many requests that wait on one web process: they cost it next to nothing, and others are served meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.module_loading import import_string

from portal.http.thread_pools import CLIP_THREADS, HEALTH_THREADS, PROVIDER_THREADS, REQUEST_THREADS, UPLOAD_THREADS
from tenants import scope
from tenants.models import Tenant
from tests.conftest import Character
from tests.portal.http.test_uploads import signed_in
from tests.transcription.finishing import finish
from tests.webprocess import WebProcess
from transcription.models import Transcription
from transcription.queue import progress

MANY = 200
THREADS_ALLOWED = 40


@sync_to_async
def waiters(tenant: Tenant) -> int:
    with scope.bound(tenant.id):
        return sum(number or 0 for number in Transcription.objects.values_list("waiters", flat=True))


@sync_to_async
def finish_the_only_one(character: Character) -> None:
    with scope.bound(character.tenant.id):
        finish(Transcription.objects.get())
    progress.flush()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.1)


def test_no_middleware_makes_waiting_cost_a_thread() -> None:
    """A synchronous one would hold a thread for whatever is behind it."""
    assert [path for path in settings.MIDDLEWARE if not getattr(import_string(path), "async_capable", False)] == []


@pytest.mark.parametrize("needed", [SecurityMiddleware, XFrameOptionsMiddleware, CsrfViewMiddleware])
def test_what_djangos_silenced_checks_look_for_is_there(needed: type) -> None:
    assert any(issubclass(import_string(path), needed) for path in settings.MIDDLEWARE if path.startswith("portal."))


def test_a_process_has_as_many_threads_for_requests_as_database_connections() -> None:
    together = REQUEST_THREADS + UPLOAD_THREADS + CLIP_THREADS + HEALTH_THREADS + PROVIDER_THREADS
    assert together == settings.CONNECTIONS_OF_A_PROCESS


async def test_many_wait_and_the_process_does_not_notice(web: WebProcess, alice: Character, fox: Path) -> None:
    sound, session, said = fox.read_bytes(), await signed_in(alice), web.log.read_text()
    limits = httpx.Limits(max_connections=None)

    async def ask(streamed: bool) -> httpx.Response:
        fields = {"model": "whisper-1", "stream": str(streamed).lower()}
        return await program.post("/v1/audio/transcriptions", data=fields, files={"file": ("fox.wav", sound)})

    async def all_wait() -> bool:
        return await waiters(alice.tenant) == MANY

    async with (
        httpx.AsyncClient(base_url=web.url, headers=alice.bearer, limits=limits, timeout=120) as program,
        httpx.AsyncClient(base_url=web.url, timeout=120) as person,
        asyncio.timeout(120),
        asyncio.TaskGroup() as group,
    ):
        asked = [group.create_task(ask(streamed=number % 4 == 0)) for number in range(MANY)]
        await until(all_wait)
        assert web.threads < THREADS_ALLOWED
        assert web.database_connections <= REQUEST_THREADS
        for _ in range(3):
            assert (await person.get("/health")).status_code == 503, "no engine runs here"
            page = await person.get("/recordings/", headers={"Cookie": f"sessionid={session}"})
            assert page.status_code == 200, page.text[:300]
        assert await all_wait()
        assert not any(one.done() for one in asked)
        await finish_the_only_one(alice)
    answers = [one.result() for one in asked]
    assert {answer.status_code for answer in answers} == {200}
    assert all("The fox." in answer.text for answer in answers)
    assert web.threads < THREADS_ALLOWED
    since = web.log.read_text().removeprefix(said).splitlines()
    assert [line for line in since if " INFO req_" not in line] == [], "it had nothing to complain about"

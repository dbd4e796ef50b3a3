"""Which of the recordings that a socket's viewer is told of they see."""

from __future__ import annotations

import asyncio
from uuid import UUID

from asgiref.sync import ThreadSensitiveContext
from channels.db import database_sync_to_async

from portal.http.thread_pools import REQUESTS, thread_user
from tenants import scope
from tenants.access import Actor
from transcription.folders.visibility import seen, sees_all
from transcription.models import Recording

FORGOTTEN_AFTER = 10
"""Checks of a viewer: so much later they hear of what they did not see before."""


class SeenRecordings:
    """Asks the database about a recording anew after each check of the viewer, where they saw it."""

    def __init__(self, viewer: Actor) -> None:
        self._viewer = viewer
        self._known: dict[str, bool] = {}
        self._checks = 0

    def check(self, viewer: Actor) -> None:
        """Takes the viewer as they are now, and forgets what may no longer be so."""
        self._checks += 1
        is_as_before = _sight(viewer) == _sight(self._viewer) and self._checks % FORGOTTEN_AFTER
        self._viewer = viewer
        # A new dictionary: what is being asked while this runs belongs to the former one.
        self._known = {one: False for one, sees in self._known.items() if not sees} if is_as_before else {}

    async def has(self, recording_id: str) -> bool:
        """Returns whether the viewer sees it; of one that is gone all know who are not limited to folders."""
        known = self._known
        if recording_id not in known:
            known[recording_id] = sees_all(self._viewer) or await self._is_shown(recording_id)
        return known[recording_id]

    async def _is_shown(self, recording_id: str) -> bool:
        """Asks for this viewer alone only where not everybody sees the recording."""
        viewer = self._viewer
        if not _limits(viewer) and not await _is_restricted(viewer.tenant.id, recording_id):
            return True
        return not await _is_hidden(viewer, recording_id)


_asked: dict[tuple[asyncio.AbstractEventLoop, UUID, str], asyncio.Task[bool]] = {}


async def _is_restricted(tenant_id: UUID, recording_id: str) -> bool:
    """Returns whether a recording is in a folder that not everybody sees.

    An event reaches all sockets of a tenant at once: those that ask while the database is asked get its answer, too.
    """
    key = asyncio.get_running_loop(), tenant_id, recording_id
    if key not in _asked:
        _asked[key] = asyncio.create_task(_asked_for_all(tenant_id, recording_id))
        _asked[key].add_done_callback(lambda _task: _asked.pop(key, None))
    return await asyncio.shield(_asked[key])


async def _asked_for_all(tenant_id: UUID, recording_id: str) -> bool:
    """Borrows a thread in the tenant's name: the socket that asked first may be closed before the answer is there."""
    thread_user.set(tenant_id)
    async with ThreadSensitiveContext(executor=REQUESTS):
        answer: bool = await _ask_whether_restricted(tenant_id, recording_id)
    return answer


@database_sync_to_async
def _ask_whether_restricted(tenant_id: UUID, recording_id: str) -> bool:
    with scope.bound(tenant_id):
        return Recording.objects.filter(id=recording_id, folder__restricted=True).exists()


@database_sync_to_async
def _is_hidden(viewer: Actor, recording_id: str) -> bool:
    with scope.bound(viewer.tenant.id):
        rows = Recording.objects.filter(id=recording_id)
        if _limits(viewer):
            return not rows.filter(seen(viewer)).exists()
        return rows.filter(~seen(viewer)).exists()


def _sight(viewer: Actor) -> tuple[bool, list[str]]:
    """Returns what of a viewer decides, beside the folders themselves."""
    return sees_all(viewer), _limits(viewer)


def _limits(viewer: Actor) -> list[str]:
    return viewer.key.folders if viewer.key else []

"""What a viewer's socket tells of recordings follows the folders that they are in."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async

from portal import seen_recordings
from portal.http.thread_pools import REQUESTS
from portal.seen_recordings import SeenRecordings
from tenants import scope
from tenants.access import Actor
from tests.conftest import Character
from tests.portal.web.conftest import make_transcription
from transcription.folders import folders
from transcription.models import Folder, Recording

pytestmark = pytest.mark.django_db(transaction=True)


def one_in_a_folder(owner: Character) -> str:
    with scope.bound(owner.tenant.id):
        recording = make_transcription(owner.tenant).recording
        Recording.objects.filter(id=recording.id).update(folder=folders.create(owner.actor, "Press"))
    return str(recording.id)


def close_folder(owner: Character) -> None:
    with scope.bound(owner.tenant.id):
        Folder.objects.update(restricted=True)


@sync_to_async
def actor_of(character: Character) -> Actor:
    return character.actor


async def test_of_what_is_in_a_folder_that_is_closed_a_viewer_hears_until_the_next_check(
    alice: Character, bob: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen_recordings, "FORGOTTEN_AFTER", 1_000_000)
    recording, viewer = await sync_to_async(one_in_a_folder)(alice), await actor_of(bob)
    seen = SeenRecordings(viewer)
    assert await seen.has(recording)
    await sync_to_async(close_folder)(alice)
    seen.check(viewer)
    assert not await seen.has(recording)
    seen.check(await actor_of(alice))
    assert await seen.has(recording), "one who was made an admin sees all at once"


async def test_who_asks_first_may_be_gone_before_the_answer_is_there(alice: Character, bob: Character) -> None:
    recording, viewer = await sync_to_async(one_in_a_folder)(alice), await actor_of(bob)
    async with ThreadSensitiveContext(executor=REQUESTS):
        first = asyncio.create_task(SeenRecordings(viewer).has(recording))
        await asyncio.sleep(0)
    assert await SeenRecordings(viewer).has(recording)
    assert await first

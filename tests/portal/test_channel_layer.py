"""The channel layer on the real Valkey."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.conf import settings

from portal.channel_layer import CancellableRedisChannelLayer

STEPS_OF_A_FIRST_READ = 45


def layer() -> CancellableRedisChannelLayer:
    config: Any = settings.CHANNEL_LAYERS["default"]["CONFIG"]
    return CancellableRedisChannelLayer(**config)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("steps", range(STEPS_OF_A_FIRST_READ))
async def test_a_cancelled_read_ends_at_whatever_step_it_is(steps: int, times: int) -> None:
    """A consumer cancels its reads when it is cancelled itself: where all tasks are, each is more than once."""
    channels, before = layer(), asyncio.all_tasks()
    reading = asyncio.ensure_future(channels.receive(await channels.new_channel()))
    for _ in range(steps):
        await asyncio.sleep(0)
    for _ in range(times):
        reading.cancel()
        await asyncio.sleep(0)
    done, _pending = await asyncio.wait([reading], timeout=5)
    assert done
    assert reading.cancelled()
    left = asyncio.all_tasks() - before
    assert not left or not (await asyncio.wait(left, timeout=0.5))[1]
    await channels.close_pools()


async def test_a_message_reaches_its_channel() -> None:
    channels = layer()
    name = await channels.new_channel()
    reading = asyncio.ensure_future(channels.receive(name))
    await channels.send(name, {"type": "greeting"})
    assert (await asyncio.wait_for(reading, 5))["type"] == "greeting"
    await channels.close_pools()

"""The channel layer of CHANNEL_LAYERS."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from channels_redis.core import RedisChannelLayer

CANCEL_AGAIN_SECONDS = 0.1


class CancellableRedisChannelLayer(RedisChannelLayer):  # type: ignore[misc]
    """channels_redis's layer, whose `receive` ends when it is cancelled.

    redis-py writes inside asyncio.wait_for, which before Python 3.12 forgets a cancellation that comes as the write
    ends (python/cpython#86296). A closed socket's task would go on reading for ever.
    """

    async def receive(self, channel: str) -> dict[str, Any]:
        """Returns the next message of a channel."""
        receiving = asyncio.ensure_future(super().receive(channel))
        try:
            return await asyncio.shield(receiving)
        except asyncio.CancelledError:
            while not receiving.done():
                receiving.cancel()
                with suppress(asyncio.CancelledError):  # a further one; it is raised below
                    await asyncio.wait([receiving], timeout=CANCEL_AGAIN_SECONDS)
            raise

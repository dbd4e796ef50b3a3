"""The web process of an installation on one machine: `python -m portal.http.uvicorn_server FD GRACE`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from types import FrameType

import uvicorn

REST_SECONDS = 1.0
LARGEST_WEBSOCKET_MESSAGE = 2 * 1024**2
"""Bytes; half a minute of sound in base64, as programs stream it."""


class Server(uvicorn.Server):
    """Looks once a second whether it is to end, and when a signal comes: uvicorn's looks ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._signalled = asyncio.Event()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._signalled.wait(), REST_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        asyncio.get_running_loop().call_soon_threadsafe(self._signalled.set)


def serve(listening_fd: int, grace_seconds: int) -> None:
    """Accepts connections of an open socket until SIGTERM or SIGINT; ends requests so many seconds later."""
    config = uvicorn.Config(
        "portal.asgi:application",
        fd=listening_fd,
        loop="uvloop",
        http="portal.http.connection_limits:BoundedHttpProtocol",
        ws="websockets-sansio",
        ws_max_size=LARGEST_WEBSOCKET_MESSAGE,
        lifespan="on",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=grace_seconds,
    )
    config.load_app()
    with suppress(KeyboardInterrupt):
        Server(config).run()


if __name__ == "__main__":
    serve(*map(int, sys.argv[1:]))

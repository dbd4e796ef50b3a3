from __future__ import annotations

import asyncio
import signal

import pytest
import uvicorn

from portal.http import uvicorn_server


async def test_a_signal_ends_a_web_process_however_long_it_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn_server, "REST_SECONDS", 3600.0)
    server = uvicorn_server.Server(uvicorn.Config("portal.asgi:application"))
    serving = asyncio.create_task(server.main_loop())
    await asyncio.sleep(0)
    server.handle_exit(signal.SIGTERM, None)
    await serving

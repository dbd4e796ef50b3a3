"""Whether a web process keeps what it made for requests: `python -m tests.postgres python -m benchmarks.objects`.

Starts the product with the scripted engine, and a web process of its own beside it that counts its objects. The soak's
rounds (benchmarks/soak.py: clips by the API, uploads watched, shared and opened, pages, search, metrics, erasing, two
sockets that stay open) go through it one after the other, as fast as they come. After each so many, once garbage is
collected: Python's objects, blocks and own memory (USS), and which kinds grew from after the first rounds, in which
templates, queries and other caches fill, to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.processes import own_mib, processes_of
from benchmarks.soak import Load
from benchmarks.table import machine, print_table
from tests.stack import START_SECONDS, Stack, free_port, start_scripted, stop

COUNTS = "/objects"
SHOWN = 12
QUOTAS = {"QUOTA_REQUESTS_PER_MINUTE": "1000000", "QUOTA_MONTHLY_MINUTES": "1000000"}
SETTLING_SECONDS = 3.0


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Is the product's own, and answers COUNTS. Served by the web process that is counted."""
    from portal.asgi import application as product

    if scope.get("path") != COUNTS:
        await product(scope, receive, send)
        return
    body = httpx.Response(200, json=await asyncio.to_thread(_counts)).content
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def _counts() -> dict[str, Any]:
    for _generation in range(3):
        gc.collect()
    kinds = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
    return {"kinds": kinds, "blocks": sys.getallocatedblocks()}


def serve(stack: Stack, folder: Path) -> tuple[subprocess.Popen[bytes], Stack]:
    """Starts a web process as the stack's own is, on another port."""
    own = processes_of(stack)["web"]
    command, port = own.cmdline(), free_port()
    application_at, address_at = command.index("portal.asgi:application"), command.index("--fd")
    command[address_at : address_at + 2] = ["--host", "127.0.0.1", "--port", str(port)]
    command[application_at] = "benchmarks.objects:application"
    process = subprocess.Popen(
        command, env=own.environ(), stdout=(folder / "web.log").open("wb"), stderr=subprocess.STDOUT
    )
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{url}/livez").raise_for_status()
            return process, dataclasses.replace(stack, url=url)
        except httpx.HTTPError:
            time.sleep(0.2)
    process.kill()
    raise RuntimeError((folder / "web.log").read_text()[-4000:])


async def carry(stack: Stack, pid: int, times: int, rounds: int, folder: Path) -> list[list[str]]:
    done: Counter[str] = Counter()
    load, rows, process = Load(stack, done, folder), [], psutil.Process(pid)
    await load.sign_in()
    listeners = [asyncio.create_task(load.listen()) for _ in range(2)]
    async with httpx.AsyncClient(base_url=stack.url, timeout=60) as client:
        first: Counter[str] = Counter()
        for number in range(1, times + 1):
            for one in range(rounds):
                await load.round(one)
            await asyncio.sleep(SETTLING_SECONDS)
            found = (await client.get(COUNTS)).json()
            kinds = Counter[str](found["kinds"])
            first = first or kinds
            size = own_mib(process)
            rows.append([str(number * rounds), f"{kinds.total():,}", f"{found['blocks']:,}", f"{size:.1f} MiB"])
    for listener in listeners:
        listener.cancel()
    print("; ".join(f"{count} {what}" for what, count in done.items()))
    print_table("A web process", ["rounds", "objects", "blocks", "USS"], rows)
    return [[kind, f"{count:+}"] for kind, count in (kinds - first).most_common(SHOWN)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=6, help="objects are counted")
    parser.add_argument("--rounds", type=int, default=50, help="between two counts")
    wanted = parser.parse_args()
    environment = {name: os.environ[name] for name in ("DATABASE_URL",) if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="wp-objects-") as folder:
        os.environ.setdefault("PORTAL_TEST_DATA", folder)
        data = Path(folder) / "data"
        data.mkdir()
        stack = start_scripted(data, **QUOTAS, **environment)
        try:
            process, counted = serve(stack, Path(folder))
            try:
                grown = asyncio.run(carry(counted, process.pid, wanted.times, wanted.rounds, Path(folder)))
            finally:
                process.terminate()
                process.wait(40)
        finally:
            stop(stack)
    print_table(
        f"Kinds of which there were more after {wanted.times * wanted.rounds} rounds than after {wanted.rounds}",
        ["kind", ""],
        grown,
    )
    print(f"\n{machine()}; {'PostgreSQL' if environment else 'SQLite'}")


if __name__ == "__main__":
    main()

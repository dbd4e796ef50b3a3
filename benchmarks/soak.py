"""Whether a process grows: `nice python -m tests.postgres python -m benchmarks.soak [--minutes 60] [--every 12]`.

Starts the product as `make run` does (base, on PostgreSQL where DATABASE_URL names one) and gives it a steady load: in
each round a clip by the API; in turn a page with an upload, watched by its socket, then read, shared, opened by a
guest and deleted; or pages, search and metrics. Two sockets stay open. All that came is erased three rounds later.

Each process' own memory (USS: a page counts when no other process shares it) is looked at twice a minute. After
WARM_UP of the time a line is fitted through it; its slope's 95 % interval allows for neighbours in time being alike
(by the residuals' lag-1 correlation). A process **does not grow** if the interval's upper end is below ALLOWED of its
size an hour, or 1 MiB an hour where that is more; it **grows** if the lower end is above; else the time was too short.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import json
import math
import os
import tempfile
import time
import wave
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil
import websockets

from benchmarks.processes import own_mib, processes_of, processor_seconds, proportional_mib
from benchmarks.speech import Clip, clips, pcm
from benchmarks.table import machine, print_table
from tests.desk import Browser
from tests.stack import Stack, start, stop

SAMPLE_SECONDS = 30.0
WARM_UP = 1 / 6
ALLOWED = 0.01
KEPT_ROUNDS = 3
SECONDS = 5.0
PAGES = ("/recordings/", "/recordings/?q=printing", "/shares/", "/usage/", "/health", "/metrics")


@dataclass
class Samples:
    """Each process' memory in MiB with the hour it was read at, and what was done meanwhile."""

    own: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    done: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    restarted: set[str] = field(default_factory=set)


class Load:
    """Alice at her page, her program, and a guest."""

    def __init__(self, stack: Stack, done: dict[str, int], folder: Path) -> None:
        self._stack, self._done, self._folder = stack, done, folder
        self._alice = Browser(stack)
        self._program = httpx.AsyncClient(base_url=stack.url, headers=stack.bearer, timeout=120)
        self._guest = httpx.AsyncClient(timeout=60)
        self._clips = itertools.cycle(sorted(clips(), key=lambda clip: abs(clip.seconds - SECONDS))[:6])
        self._numbers = itertools.count(1)
        self._rounds: deque[set[str]] = deque([set()])

    async def sign_in(self) -> None:
        page = await self._alice.sign_in(
            self._stack.credentials["staff_email"], self._stack.credentials["staff_password"]
        )
        assert page.url.path == "/recordings/", page.url

    async def round(self, number: int) -> None:
        await self._clip()
        if number % 2:
            await self._upload()
        else:
            await self._look_around()
        await self._erase()

    async def listen(self) -> None:
        """Holds a socket of all recordings, opened again with a new ticket if it is closed."""
        while True:
            ticket = (await self._program.post("/api/v1/socket-tickets")).json()["ticket"]
            address = f"{self._stack.url.replace('http', 'ws', 1)}/ws/recordings/?ticket={ticket}"
            async with websockets.connect(address) as socket:
                self._done["sockets"] += 1
                async for text in socket:
                    self._done["events"] += 1
                    message = json.loads(text)
                    if message["type"] == "changed":
                        self._rounds[-1].add(message["recording"])

    async def _clip(self) -> None:
        files = {"file": ("clip.wav", self._sound(), "audio/wav")}
        form = {"model": "whisper-1", "language": "en"}
        (await self._program.post("/v1/audio/transcriptions", data=form, files=files)).raise_for_status()
        self._done["clips by the API"] += 1

    async def _upload(self) -> None:
        path = self._folder / f"Memo {next(self._numbers)}.wav"
        path.write_bytes(self._sound())
        made = await self._alice.upload(path)
        path.unlink()
        assert (await self._alice.watch(made["transcription"]))[-1]["status"] == "completed"
        self._rounds[-1].add(made["recording"])
        await self._page(made["url"])
        answer = await self._program.post(f"/api/v1/recordings/{made['recording']}/shares", json={"label": "A guest"})
        (await self._guest.get(answer.raise_for_status().json()["url"])).raise_for_status()
        self._done["uploads by page, watched, shared"] += 1

    async def _look_around(self) -> None:
        for address in PAGES:
            await self._page(address)

    async def _page(self, address: str) -> None:
        (await self._alice.http.get(address)).raise_for_status()
        self._done["pages"] += 1

    async def _erase(self) -> None:
        self._rounds.append(set())
        if len(self._rounds) > KEPT_ROUNDS:
            for recording in self._rounds.popleft():
                answer = await self._program.delete(f"/api/v1/recordings/{recording}")
                assert answer.status_code in (204, 404), answer.text
                self._done["erased"] += answer.status_code == 204

    def _sound(self) -> bytes:
        """A clip that was never sent before: its number stands in the loudness of its last samples."""
        clip: Clip = next(self._clips)
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(pcm(clip.path) + bytes(2 * next(self._numbers)))
        return out.getvalue()


async def carry(stack: Stack, samples: Samples, minutes: float, every: float, folder: Path) -> None:
    load = Load(stack, samples.done, folder)
    await load.sign_in()
    listeners = [asyncio.create_task(load.listen()) for _ in range(2)]
    sampler = asyncio.create_task(_sample(stack, samples))
    begin = time.monotonic()
    for number in itertools.count():
        if any(task.done() for task in (*listeners, sampler)):
            await asyncio.gather(*listeners, sampler)
        if (due := begin + number * every) > begin + 60 * minutes:
            break
        await asyncio.sleep(due - time.monotonic())
        await load.round(number)
    for task in (*listeners, sampler):
        task.cancel()


async def _sample(stack: Stack, samples: Samples) -> None:
    begin, first = time.monotonic(), processes_of(stack)
    while True:
        now = processes_of(stack)
        samples.restarted |= {name for name, process in first.items() if now.get(name) != process}
        for name, process in first.items():
            if name not in samples.restarted:
                samples.own[name].append(((time.monotonic() - begin) / 3600, own_mib(process)))
        await asyncio.sleep(SAMPLE_SECONDS)


def slope(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Returns MiB an hour by least squares, and half of the 95 % interval."""
    hours, sizes = (np.array(column) for column in zip(*points, strict=True))
    away = hours - hours.mean()
    rise = float(away @ sizes / (away @ away))
    rest = sizes - sizes.mean() - rise * away
    if not rest.any():
        return rise, 0.0
    alike = max(0.0, float(rest[1:] @ rest[:-1] / (rest @ rest)))
    independent = max(3.0, len(points) * (1 - alike) / (1 + alike))
    deviation = math.sqrt(float(rest @ rest) / (independent - 2) / float(away @ away) * len(points) / independent)
    return rise, 1.96 * deviation


def verdict(rise: float, half: float, size: float) -> str:
    allowed = max(1.0, ALLOWED * size)
    if rise + half < allowed:
        return "does not grow"
    return "grows" if rise - half > allowed else "too short to say"


def row_of(name: str, points: list[tuple[float, float]], pss: float, busy: float) -> list[str]:
    settled = [point for point in points if point[0] >= WARM_UP * points[-1][0]]
    rise, half = slope(settled)
    first, last = settled[0][1], points[-1][1]
    figures = [f"{points[0][1]:.1f}", f"{first:.1f}", f"{last:.1f}", f"{max(size for _at, size in points):.1f}"]
    return [name, *figures, f"{pss:.1f}", f"{rise:+.2f} ± {half:.2f}", verdict(rise, half, last), f"{busy:.2%}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--every", type=float, default=12, help="seconds from round to round")
    options = parser.parse_args()
    samples = Samples()
    environment = {name: os.environ[name] for name in ("DATABASE_URL",) if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="wp-soak-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        stack = start(data, **environment)
        try:
            lasting = processes_of(stack)
            before = {name: processor_seconds(process) for name, process in lasting.items()}
            asyncio.run(carry(stack, samples, options.minutes, options.every, Path(folder)))
            pss, busy = _at_the_end(lasting, before, 60 * options.minutes)
        finally:
            stop(stack)
    database = "PostgreSQL" if environment else "SQLite"
    print(f"{machine()}; {database}; {options.minutes:.0f} minutes, a round each {options.every:.0f} s")
    print("; ".join(f"{count} {what}" for what, count in samples.done.items()))
    print("restarted: " + (", ".join(sorted(samples.restarted)) or "none"))
    head = ["process", "at first", "warm", "at last", "most", "PSS at last", "MiB an hour", "", "of a core"]
    rows = [row_of(name, points, pss.get(name, 0.0), busy.get(name, 0.0)) for name, points in samples.own.items()]
    print_table("Own memory (USS) in MiB", head, rows)
    print(f"\nAll together {sum(pss.values()):.0f} MiB (PSS), {sum(busy.values()):.1%} of a core.")


def _at_the_end(
    lasting: dict[str, psutil.Process], before: dict[str, float], seconds: float
) -> tuple[dict[str, float], dict[str, float]]:
    alive = {name: process for name, process in lasting.items() if process.is_running()}
    pss = {name: proportional_mib(process) for name, process in alive.items()}
    return pss, {name: (processor_seconds(process) - before[name]) / seconds for name, process in alive.items()}


if __name__ == "__main__":
    main()

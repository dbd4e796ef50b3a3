"""The whole stack against its engine alone, and at rest: `python -m tests.postgres python -m benchmarks.stack`.

Starts the product as `make run` does (base, on PostgreSQL where DATABASE_URL names one). First nobody asks for
anything for a minute: what each process takes of a core, its memory (PSS), and the database's transactions a second.
Then 1, 8, 32 and 128 recordings at once, in turn through POST /v1/audio/transcriptions and straight to the engine's
socket, as fast mode cuts them: audio seconds a second, and the processor's time, which says more where the machine
has other work. Each recording is different, so that none is answered with another's text.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg

from benchmarks.processes import processes_of, processor_seconds, proportional_mib
from benchmarks.speech import clips, joined
from benchmarks.table import machine, print_table
from tests.stack import Stack, start, stop
from transcription.engine.client import EngineClient
from transcription.engine.types import DecodeOptions
from transcription.engine.windows import fast_windows

IDLE_SECONDS = 60
SETTLING_SECONDS = 20


def measure_idle(stack: Stack) -> None:
    time.sleep(SETTLING_SECONDS)
    lasting = processes_of(stack)
    before, asked = {name: processor_seconds(one) for name, one in lasting.items()}, _transactions()
    time.sleep(IDLE_SECONDS)
    # Looking is not counted: the difference has one look of ours in it.
    a_second = (_transactions() - asked - 1) / IDLE_SECONDS
    rows, cores, sizes = [], 0.0, 0.0
    for name, process in lasting.items():
        share, size = (processor_seconds(process) - before[name]) / IDLE_SECONDS, proportional_mib(process)
        cores, sizes = cores + share, sizes + size
        rows.append([name, f"{share:.2%}", f"{size:.0f} MiB"])
    print_table(f"At rest, {IDLE_SECONDS} s", ["process", "of a core", "PSS"], [*rows, _all(cores, sizes)])
    if "DATABASE_URL" in os.environ:
        print(f"\n{a_second:.1f} transactions a second in PostgreSQL, most of them one query.")


def _all(cores: float, sizes: float) -> list[str]:
    return ["all", f"{cores:.2%}", f"{sizes:.0f} MiB"]


def _transactions() -> int:
    """Transactions that PostgreSQL has ended in the product's database; 0 without PostgreSQL."""
    if "DATABASE_URL" not in os.environ:
        return 0
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        row = connection.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row
    return int(row[0])


class Ways:
    """Both ways to one engine."""

    def __init__(self, stack: Stack, most: int) -> None:
        limits = httpx.Limits(max_connections=None)
        self._stack = stack
        self._client = httpx.Client(base_url=stack.url, headers=stack.bearer, limits=limits, timeout=3600)
        self._engine = EngineClient(str(stack.data / "run" / "engine.sock"))
        self.pool = ThreadPoolExecutor(most)

    def through(self, samples: bytes) -> None:
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(2)
            writer.setframerate(16_000)
            writer.writeframes(samples)
        form = {"model": "whisper-1", "language": "en"}
        files = {"file": ("recording.wav", file.getvalue(), "audio/wav")}
        self._client.post("/v1/audio/transcriptions", data=form, files=files).raise_for_status()

    def alone(self, samples: bytes) -> None:
        options = DecodeOptions(model="base", language="en", lane="interactive")
        list(self._engine.decode(fast_windows([samples]), options))

    def measure(self, way: Callable[[bytes], None], recordings: list[bytes]) -> tuple[float, float]:
        """Returns the seconds of the clock, and those of all of the product's processes on a core."""
        before, begin = self._busy(), time.perf_counter()
        list(self.pool.map(way, recordings))
        return time.perf_counter() - begin, self._busy() - before

    def _busy(self) -> float:
        return sum(processor_seconds(process) for process in processes_of(self._stack).values())


def measure_load(stack: Stack, counts: list[int], seconds: float) -> None:
    parts, ways, rows = clips(), Ways(stack, max(counts)), []
    number = 0
    ways.through(joined(parts, 5.0).pcm)
    for count in counts:
        recordings = []
        for _ in range(count):
            number += 1
            turned = parts[number % len(parts) :] + parts[: number % len(parts)]
            recordings.append(joined(turned, seconds).pcm + bytes(2 * number))
        audio = sum(len(one) for one in recordings) / 32_000
        stack_clock, stack_busy = ways.measure(ways.through, recordings)
        engine_clock, engine_busy = ways.measure(ways.alone, recordings)
        rows.append(
            [
                str(count),
                f"{audio / stack_clock:.1f}",
                f"{audio / engine_clock:.1f}",
                f"{engine_clock / stack_clock:.2f}",
                f"{1000 * stack_busy / audio:.1f} ms",
                f"{1000 * engine_busy / audio:.1f} ms",
                f"{stack_busy / engine_busy:.2f}",
            ]
        )
    head = ["recordings", "stack, × real time", "engine alone", "stack / engine"]
    head += ["processor a second of audio, stack", "engine alone", "stack / engine"]
    print_table(f"Recordings of {seconds:.0f} s at once, base", head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recordings", type=int, nargs="*", default=[1, 8, 32, 128])
    parser.add_argument("--seconds", type=float, default=30.0, help="of a recording")
    parser.add_argument("--idle", action="store_true", help="only at rest")
    wanted = parser.parse_args()
    environment = {name: os.environ[name] for name in ("DATABASE_URL",) if name in os.environ}
    most = str(max(wanted.recordings, default=1))
    print(machine() + ("; PostgreSQL" if environment else "; SQLite"))
    with tempfile.TemporaryDirectory(prefix="wp-bench-") as folder:
        stack = start(Path(folder), QUOTA_CONCURRENT=most, QUOTA_REQUESTS_PER_MINUTE="10000", **environment)
        try:
            measure_idle(stack)
            if not wanted.idle:
                measure_load(stack, wanted.recordings, wanted.seconds)
        finally:
            stop(stack)
    print(f"\nLoad average of 5 minutes: {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    main()
